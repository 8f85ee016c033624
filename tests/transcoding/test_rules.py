"""HTTP rules against methods: what is bound, and every reason why something is not."""

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from proxy.config.service_config import parse_service_config
from proxy.config.source import SourceText
from proxy.transcoding.binding import Binding, Body, Cardinality
from proxy.transcoding.declarations import DescriptorFile
from proxy.transcoding.descriptors import examine_files, merge_files
from proxy.transcoding.httprule import RuleMode, ServiceConfigRules
from proxy.transcoding.rules import Resolution, resolve
from tests.sources.compiled import compile_files

MESSAGES = """
message Inner { string id = 1; Inner next = 2; repeated string ids = 3; }
message Request {
  string name = 1;
  Inner inner = 2;
  repeated string tags = 3;
  repeated Inner inners = 4;
  map<string, string> labels = 5;
  map<string, Inner> inner_map = 6;
  oneof choice { string by_name = 7; int64 by_number = 8; Inner by_inner = 9; }
  Kind kind = 10;
  bytes data = 11;
  string camel_case = 12;
  string custom = 13 [json_name = "special"];
  google.protobuf.Timestamp time = 14;
  google.protobuf.Duration ttl = 15;
  google.protobuf.FieldMask mask = 16;
  google.protobuf.StringValue text = 17;
  google.protobuf.Struct struct = 18;
  google.protobuf.Value value = 19;
  google.protobuf.Any any = 20;
  google.protobuf.Empty empty = 21;
  bool flag = 22;
  double number = 23;
  google.protobuf.ListValue list = 24;
}
message Response { string name = 1; repeated Inner inners = 2; map<string, string> labels = 3; }
enum Kind { KIND_UNSPECIFIED = 0; KIND_A = 1; }
"""
IMPORTS = 'import "google/api/annotations.proto";' + "".join(
    f'import "google/protobuf/{name}.proto";'
    for name in ("any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers")
)
#: The place of the rule in what `annotated` makes.
AT = "api.binpb[a.proto]:4:3: p.S.Call"


def annotated(option: str, signature: str = "(Request) returns (Response)") -> Resolution:
    """What `option (google.api.http) = {…}` resolves to."""
    text = (
        f'syntax = "proto3"; package p; {IMPORTS}{MESSAGES.replace(chr(10), " ")}\n'
        f"service S {{\n  rpc Call{signature} {{\n"
        f"  option (google.api.http) = {{ {option} }};\n  }}\n}}"
    )
    return resolve(merge_files(compile_files({"a.proto": text})), [])


def texts(resolution: Resolution) -> list[str]:
    return [str(problem) for problem in resolution.problems]


def told(binding: Binding) -> tuple[str, str, list[str], str, str]:
    body = binding.body.value if isinstance(binding.body, Body) else binding.body.name
    answer = binding.response_body.name if binding.response_body else ""
    paths = [variable.path for variable in binding.variables]
    return binding.http_method, str(binding.template), paths, body, answer


# A rule, then HTTP method, template, variables, body and response body of its bindings.
GOOD = [
    ('get: "/v1/{name}"', [("GET", "/v1/{name}", ["name"], "none", "")]),
    ('put: "/v1/{name}" body: "*"', [("PUT", "/v1/{name}", ["name"], "*", "")]),
    ('post: "/v1" body: "inner"', [("POST", "/v1", [], "inner", "")]),
    ('delete: "/v1/{inner.id}"', [("DELETE", "/v1/{inner.id}", ["inner.id"], "none", "")]),
    (
        'patch: "/v1/{inner.id}" body: "inner"',
        [("PATCH", "/v1/{inner.id}", ["inner.id"], "inner", "")],
    ),
    ('custom: { kind: "HEAD" path: "/v1" }', [("HEAD", "/v1", [], "none", "")]),
    ('custom: { kind: "*" path: "/v1" }', [("*", "/v1", [], "none", "")]),
    ('custom: { kind: "Purge" path: "/v1" }', [("Purge", "/v1", [], "none", "")]),
    ('get: "/v1" response_body: "inners"', [("GET", "/v1", [], "none", "inners")]),
    ('get: "/v1" response_body: "labels"', [("GET", "/v1", [], "none", "labels")]),
    ('get: "/v1" response_body: "name"', [("GET", "/v1", [], "none", "name")]),
    *(
        (f'post: "/v1" body: "{name}"', [("POST", "/v1", [], name, "")])
        for name in ("tags", "inners", "labels", "kind", "any", "by_inner", "flag")
    ),
    *(
        (f'get: "/v1/{{{path}}}"', [("GET", f"/v1/{{{path}}}", [path], "none", "")])
        for path in (
            *("kind", "data", "flag", "number", "by_number", "camel_case", "custom"),
            *("time", "ttl", "mask", "text", "inner.next.next.id", "by_inner.id", "time.seconds"),
        )
    ),
    (
        (
            'get: "/v1/{name=a/*/b/**}:verb" additional_bindings { post: "/v2" body: "*" }'
            ' additional_bindings { get: "/v3/{inner.id}/{name}" response_body: "name" }'
        ),
        [
            ("GET", "/v1/{name=a/*/b/**}:verb", ["name"], "none", ""),
            ("POST", "/v2", [], "*", ""),
            ("GET", "/v3/{inner.id}/{name}", ["inner.id", "name"], "none", "name"),
        ],
    ),
    (
        'get: "/v1/{inner.id}/{inner.next.id}"',
        [("GET", "/v1/{inner.id}/{inner.next.id}", ["inner.id", "inner.next.id"], "none", "")],
    ),
]


@pytest.mark.parametrize(("rule", "bindings"), GOOD, ids=[rule for rule, _ in GOOD])
def test_a_rule_is_bound_as_it_is_written(rule, bindings):
    resolution = annotated(rule)
    assert texts(resolution) == []
    assert [told(binding) for binding in resolution.bindings] == bindings
    assert resolution.report == ()


# A rule, then the messages of its problems without their place.
BAD = [
    ('get: "v1"', ["path template 'v1', column 1: expected \"/\" at the start"]),
    (
        'get: "/v1/{name=**}/more"',
        [("path template '/v1/{name=**}/more', column 14: nothing but a verb may follow \"**\"")],
    ),
    ('get: ""', ["path template '', column 1: expected \"/\" at the start"]),
    (
        'get: "/v1/{nam}"',
        [
            (
                "path template '/v1/{nam}': variable 'nam': 'p.Request' has no such field;"
                " did you mean 'name'?"
            )
        ],
    ),
    (
        'get: "/v1/{qqqq}"',
        ["path template '/v1/{qqqq}': variable 'qqqq': 'p.Request' has no such field"],
    ),
    (
        'get: "/v1/{camelCase}"',
        [
            (
                "path template '/v1/{camelCase}': variable 'camelCase':"
                " it must have its proto name, 'camel_case'"
            )
        ],
    ),
    (
        'get: "/v1/{special}"',
        [
            (
                "path template '/v1/{special}': variable 'special':"
                " it must have its proto name, 'custom'"
            )
        ],
    ),
    (
        'get: "/v1/{inner.nope}"',
        ["path template '/v1/{inner.nope}': variable 'inner.nope': 'p.Inner' has no such field"],
    ),
    (
        'get: "/v1/{name.id}"',
        ["path template '/v1/{name.id}': variable 'name.id': 'p.Request.name' is not a message"],
    ),
    *(
        (
            f'get: "/v1/{{{name}}}"',
            [
                (
                    f"path template '/v1/{{{name}}}': variable '{name}': 'p.Request.{name}'"
                    f" {kind}; it must be singular and not a message"
                )
            ],
        )
        for name, kind in (
            ("tags", "is repeated"),
            ("inners", "is repeated"),
            ("labels", "is a map"),
            ("inner_map", "is a map"),
            ("inner", "is a message, 'p.Inner'"),
            ("struct", "is a message, 'google.protobuf.Struct'"),
            ("value", "is a message, 'google.protobuf.Value'"),
            ("list", "is a message, 'google.protobuf.ListValue'"),
            ("any", "is a message, 'google.protobuf.Any'"),
            ("empty", "is a message, 'google.protobuf.Empty'"),
        )
    ),
    (
        'get: "/v1/{inner.ids}"',
        [
            (
                "path template '/v1/{inner.ids}': variable 'inner.ids': 'p.Inner.ids'"
                " is repeated; it must be singular and not a message"
            )
        ],
    ),
    (
        'get: "/v1/{inners.id}"',
        [
            (
                "path template '/v1/{inners.id}': variable 'inners.id': 'p.Request.inners'"
                " is repeated; a path leads through messages"
            )
        ],
    ),
    (
        'get: "/v1/{labels.value}"',
        [
            (
                "path template '/v1/{labels.value}': variable 'labels.value': 'p.Request.labels'"
                " is a map; a path leads through messages"
            )
        ],
    ),
    ('get: "/v1/{name}/{name}"', ["field 'name' is bound twice by the path"]),
    (
        'get: "/v1/{time}/{time.seconds}"',
        ["field 'time' is bound twice: 'time.seconds' overlaps it"],
    ),
    (
        'get: "/v1/{time.seconds}/{time}"',
        ["field 'time.seconds' is bound twice: 'time' overlaps it"],
    ),
    (
        'get: "/v1/{by_name}/{by_number}"',
        [
            (
                "fields 'by_name' and 'by_number' are of the oneof 'choice':"
                " only one of them can be set"
            )
        ],
    ),
    (
        'get: "/v1/{by_name}/{by_inner.id}"',
        [
            (
                "fields 'by_name' and 'by_inner' are of the oneof 'choice':"
                " only one of them can be set"
            )
        ],
    ),
    (
        'post: "/v1/{name}" body: "name"',
        ["field 'name' is bound twice: by the path and as the body"],
    ),
    (
        'post: "/v1" body: "innr"',
        ["body 'innr': 'p.Request' has no such field; did you mean 'inner'?"],
    ),
    (
        'post: "/v1" body: "inner.id"',
        ["body 'inner.id': it must be a top-level field, without dots"],
    ),
    (
        'post: "/v1" body: "camelCase"',
        ["body 'camelCase': it must have its proto name, 'camel_case'"],
    ),
    (
        'get: "/v1" response_body: "nope"',
        ["response_body 'nope': 'p.Response' has no such field"],
    ),
    (
        'get: "/v1" response_body: "inners.id"',
        ["response_body 'inners.id': it must be a top-level field, without dots"],
    ),
    (
        'get: "/v1" response_body: "*"',
        ["response_body '*': 'p.Response' has no such field"],
    ),
    (
        'custom: { kind: "" path: "/v1" }',
        ["custom kind '' is neither an HTTP method nor '*'"],
    ),
    (
        'custom: { kind: "TWO WORDS" path: "/v1" }',
        ["custom kind 'TWO WORDS' is neither an HTTP method nor '*'"],
    ),
    (
        'get: "/v1" additional_bindings { get: "/v2" additional_bindings { get: "/v3" } }',
        ["an additional binding may not have further ones"],
    ),
    (
        (
            'get: "/v1/{tags}/{nope}" body: "x.y" response_body: "z"'
            ' additional_bindings { get: "/v2/{" }'
        ),
        [
            (
                "path template '/v1/{tags}/{nope}': variable 'tags': 'p.Request.tags'"
                " is repeated; it must be singular and not a message"
            ),
            ("path template '/v1/{tags}/{nope}': variable 'nope': 'p.Request' has no such field"),
            "body 'x.y': it must be a top-level field, without dots",
            "response_body 'z': 'p.Response' has no such field",
            (
                "path template '/v2/{', column 6: expected a field name"
                " (letters, digits and _, no digit first)"
            ),
        ],
    ),
]


@pytest.mark.parametrize(("rule", "messages"), BAD, ids=[rule for rule, _ in BAD])
def test_what_cannot_be_bound_is_refused_with_its_place(rule, messages):
    resolution = annotated(rule)
    assert texts(resolution) == [f"{AT}: {message}" for message in messages]


def test_a_refused_rule_leaves_no_binding_and_the_others_keep_theirs():
    resolution = annotated('get: "/v1/{nope}" additional_bindings { get: "/v2" }')
    assert [told(binding)[1] for binding in resolution.bindings] == ["/v2"]


@pytest.mark.parametrize(
    "header", ['syntax = "proto2";', 'syntax = "proto3";', 'edition = "2023";']
)
@pytest.mark.parametrize("with_imports", [True, False])
def test_annotations_are_read_in_every_syntax(header, with_imports):
    text = (
        f'{header} package p; import "google/api/annotations.proto"; message M {{}}'
        ' service S { rpc Call(M) returns (M) { option (google.api.http).get = "/v1"; } }'
    )
    files = compile_files({"a.proto": text})
    if not with_imports:
        files = [file for file in files if file.name == "a.proto"]
    [binding] = resolve(merge_files(files), []).bindings
    assert told(binding)[:2] == ("GET", "/v1")


def test_a_method_without_an_annotation_has_no_binding():
    text = 'syntax = "proto3"; message M {} service S { rpc Call(M) returns (M); }'
    resolution = resolve(merge_files(compile_files({"a.proto": text})), [])
    assert resolution == Resolution((), (), ())


def test_a_rule_without_a_template_is_skipped_with_a_line():
    resolution = annotated('body: "*" additional_bindings { get: "/v2" }')
    assert [told(binding)[1] for binding in resolution.bindings] == ["/v2"]
    assert resolution.report == (f"{AT}: not served: the rule has no path template",)
    assert resolution.problems == ()


@pytest.mark.parametrize(
    ("signature", "cardinality", "kind"),
    [
        ("(Request) returns (stream Response)", Cardinality.UNARY_STREAM, None),
        ("(stream Request) returns (Response)", Cardinality.STREAM_UNARY, "client"),
        ("(stream Request) returns (stream Response)", Cardinality.STREAM_STREAM, "bidirectional"),
    ],
)
def test_streaming_methods_are_bound_and_the_unserved_kinds_reported(signature, cardinality, kind):
    resolution = annotated('post: "/v1" body: "*"', signature)
    [binding] = resolution.bindings
    assert binding.cardinality is cardinality
    line = f"{AT}: not served: {kind} streaming; a request to its bindings is answered with 501"
    assert resolution.report == ((line,) if kind else ())


def test_a_refused_rule_of_a_client_stream_is_not_reported_as_bound():
    resolution = annotated('post: "/{nope}"', "(stream Request) returns (Response)")
    assert resolution.report == ()


def test_bindings_carry_method_fields_and_origin():
    [binding] = annotated('get: "/v1/{inner.next.id}"').bindings
    assert binding.rpc == "p.S.Call"
    assert [field.full_name for field in binding.variables[0].fields] == [
        "p.Request.inner",
        "p.Inner.next",
        "p.Inner.id",
    ]
    assert binding.origin == "api.binpb[a.proto]:4:3"
    assert not binding.fully_decode_reserved_expansion


# The classic sample: no package, no annotation, one field with a capital letter.
HELLO = """
syntax = "proto3";
service HelloWorldHandler {
  rpc SayHello(Hello) returns (HelloResponse) {}
}
message Hello { string Name = 1; }
message HelloResponse {}
"""
HELLO_RULES = """
type: google.api.Service
config_version: 3
http:
  rules:
  - selector: HelloWorldHandler.SayHello
    post: /hello
    body: "*"
    additional_bindings:
    - get: /hello/{Name}
"""
ZONES = """
syntax = "proto3";
package p;
import "google/api/annotations.proto";
message Zone { string name = 1; }
service Zones {
  rpc Get(Zone) returns (Zone) { option (google.api.http).get = "/annotated/{name}"; }
  rpc Put(Zone) returns (Zone);
}
"""


def config(*rules: str, mode: RuleMode = RuleMode.OVERRIDE, name: str = "api.yaml", head: str = ""):
    text = f"http: {{ {head} rules: [\n" + ",\n".join(f"{{ {rule} }}" for rule in rules) + "\n] }"
    return parse_service_config(SourceText(name, text), mode)


def configured(*configs: ServiceConfigRules, text: str = ZONES) -> Resolution:
    return resolve(merge_files(compile_files({"a.proto": text})), configs)


def bound(resolution: Resolution) -> list[str]:
    return [f"{binding.http_method} {binding.template}" for binding in resolution.bindings]


class TestServiceConfigs:
    def test_give_the_classic_sample_its_paths(self):
        rules = parse_service_config(SourceText("hello.yaml", HELLO_RULES))
        resolution = configured(rules, text=HELLO)
        assert [told(binding) for binding in resolution.bindings] == [
            ("POST", "/hello", [], "*", ""),
            ("GET", "/hello/{Name}", ["Name"], "none", ""),
        ]
        origins = [binding.origin for binding in resolution.bindings]
        assert origins == ["hello.yaml:6:5", "hello.yaml:10:7"]
        assert resolution.bindings[0].rpc == "HelloWorldHandler.SayHello"

    def test_override_annotations_and_say_so(self):
        resolution = configured(config("selector: p.Zones.Get, get: '/other'"))
        assert bound(resolution) == ["GET /other"]
        assert resolution.report == (
            "api.binpb[a.proto]:7:34: p.Zones.Get: overridden by api.yaml:2:1: p.Zones.Get",
        )

    def test_add_to_annotations(self):
        resolution = configured(config("selector: p.Zones.Get, get: '/other'", mode=RuleMode.ADD))
        assert bound(resolution) == ["GET /annotated/{name}", "GET /other"]
        assert resolution.report == ()

    @pytest.mark.parametrize("reverse", [False, True])
    def test_of_both_modes_work_together_in_any_order(self, reverse):
        configs = [
            config("selector: p.Zones.Get, get: '/in/its/place'", name="one.yaml"),
            config("selector: p.Zones.Get, get: '/on/top'", mode=RuleMode.ADD, name="two.yaml"),
        ]
        resolution = configured(*(configs[::-1] if reverse else configs))
        assert bound(resolution) == ["GET /in/its/place", "GET /on/top"]

    def test_bind_methods_that_have_no_annotation(self):
        resolution = configured(config("selector: p.Zones.Put, put: '/z/{name}', body: '*'"))
        assert bound(resolution) == ["GET /annotated/{name}", "PUT /z/{name}"]

    @pytest.mark.parametrize("mode", RuleMode)
    def test_use_the_last_rule_of_a_selector_and_report_the_others(self, mode):
        rules = [f"selector: p.Zones.Put, get: '/{number}'" for number in range(3)]
        resolution = configured(config(*rules, mode=mode))
        assert bound(resolution)[1:] == ["GET /2"]
        assert resolution.report == (
            "api.yaml:2:1: p.Zones.Put: replaced by a later rule, api.yaml:3:1: p.Zones.Put",
            "api.yaml:3:1: p.Zones.Put: replaced by a later rule, api.yaml:4:1: p.Zones.Put",
        )

    def test_may_not_both_override_one_method(self):
        resolution = configured(
            config("selector: p.Zones.Get, get: '/1'", name="one.yaml"),
            config("selector: p.Zones.Get, get: '/2'", name="two.yaml"),
        )
        assert texts(resolution) == [
            "two.yaml:2:1: p.Zones.Get: is already overridden at one.yaml:2:1: p.Zones.Get"
        ]

    def test_set_the_decoding_of_their_own_rules_alone(self):
        resolution = configured(
            config(
                "selector: p.Zones.Put, get: '/{name=**}'",
                head="fully_decode_reserved_expansion: true,",
            )
        )
        assert [b.fully_decode_reserved_expansion for b in resolution.bindings] == [False, True]

    @pytest.mark.parametrize(
        ("selector", "message"),
        [
            ("p.Zones.Gett", "no descriptor has this method; did you mean 'p.Zones.Get'?"),
            ("x.Y.Zzzzzz", "no descriptor has this method"),
            ("p.Zones", "no descriptor has this method; did you mean 'p.Zones.Put'?"),
            ("p.Zones.*", "a selector must be the full name of one method"),
            ("*", "a selector must be the full name of one method"),
            ("p.Zones.Get,p.Zones.Put", "a selector must be the full name of one method"),
            ("/p.Zones/Get", "a selector must be the full name of one method"),
        ],
    )
    def test_must_select_a_method(self, selector, message):
        resolution = configured(config(f"selector: '{selector}', get: '/x'"))
        assert texts(resolution) == [f"api.yaml:2:1: {selector}: {message}"]

    def test_with_a_bad_rule_name_its_line(self):
        resolution = configured(
            config(
                "selector: p.Zones.Get, get: '/x/{'",
                "selector: p.Zones.Put, get: '/y', additional_bindings: [\n{get: '/{nope}'}]",
            )
        )
        assert texts(resolution) == [
            (
                "api.yaml:2:1: p.Zones.Get: path template '/x/{', column 5: expected a field name"
                " (letters, digits and _, no digit first)"
            ),
            (
                "api.yaml:4:1: p.Zones.Put: path template '/{nope}': variable 'nope':"
                " 'p.Zone' has no such field"
            ),
        ]

    def test_are_not_blamed_for_methods_of_files_that_could_not_be_merged(self):
        broken = FileDescriptorProto(name="broken.proto", dependency=["nowhere.proto"])
        files = [*compile_files({"a.proto": ZONES}), DescriptorFile(broken, "api.binpb")]
        rules = config("selector: q.Lost.Get, get: '/x'", "selector: '*', get: '/y'")
        assert texts(resolve(examine_files(files), [rules])) == [
            "api.yaml:3:1: *: a selector must be the full name of one method"
        ]


class TestImportedFiles:
    FILES = (
        DescriptorFile(
            FileDescriptorProto(name="a.proto", dependency=["google/longrunning/operations.proto"]),
            "api.binpb",
        ),
    )

    def test_are_not_served_by_their_annotations(self):
        resolution = resolve(merge_files(self.FILES), [])
        assert bound(resolution) == []
        assert len(resolution.report) == 4
        assert resolution.report[0].endswith(
            "google.longrunning.Operations.ListOperations:"
            " not served: nothing but an import brought its file"
        )

    def test_are_served_where_a_service_config_selects_their_methods(self):
        """So are the mixins of Google's APIs declared."""
        selector = "google.longrunning.Operations.GetOperation"
        rules = config(f"selector: {selector}, get: '/v1/{{name=operations/**}}'")
        resolution = resolve(merge_files(self.FILES), [rules])
        assert bound(resolution) == ["GET /v1/{name=operations/**}"]
        assert not any(selector in line for line in resolution.report)

    def test_are_served_when_their_own_source_names_them(self):
        merged = merge_files(self.FILES)
        asked = [DescriptorFile(file.proto, "reflection") for file in merged.files.values()]
        assert len(resolve(merge_files(asked), []).bindings) == 4


def test_body_fields_are_descriptors_of_the_private_pool():
    [binding] = annotated('post: "/v1" body: "inner"').bindings
    assert isinstance(binding.body, FieldDescriptor)
    assert binding.body.containing_type == binding.method.input_type
