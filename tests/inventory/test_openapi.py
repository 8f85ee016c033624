"""OpenAPI and Swagger documents: where each version keeps what, references, and what is refused."""

import pytest

from proxy.config.documents import read_document
from proxy.config.source import SourceText
from proxy.errors import ConfigError
from proxy.inventory.legacy import ListStyle, Operation, Where
from proxy.inventory.openapi import read_openapi
from tests.inventory.stand import api_of, paths_api


def only(text: str) -> Operation:
    (operation,) = paths_api(text).operations
    return operation


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        api_of(text)
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize("version", ['"3.0.3"', "3.0.0", "3.1.1", "3.1"])
def test_versions_that_are_read(version: str):
    assert len(api_of(f"openapi: {version}\npaths: {{/a: {{get: {{}}}}}}").operations) == 1


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("openapi: 3.2.0", "this one says 3.2.0"),
        ("openapi: 4.0.0", "4.0.0"),
        ('swagger: "1.2"', "1.2"),
        ("{}", "says neither"),
    ],
    ids=["3.2", "4", "1.2", "none"],
)
def test_other_versions_are_refused(head: str, told: str):
    (problem,) = problems(head)
    assert told in problem


def test_swagger_is_read_where_it_keeps_things():
    api = api_of("""
swagger: "2.0"
basePath: /v1/
consumes: [application/json]
produces: [application/json]
paths:
  /orders/{id}:
    parameters: [{name: id, in: path, required: true, type: string}]
    put:
      operationId: put
      parameters:
      - {name: order, in: body, schema: {$ref: "#/definitions/Order"}}
      - {name: ids, in: query, type: array, items: {type: integer}}
      - {name: tags, in: query, type: array, collectionFormat: multi, items: {type: string}}
      responses: {200: {schema: {$ref: "#/definitions/Order"}}, 404: {}}
  /upload:
    post:
      consumes: [multipart/form-data]
      parameters: [{name: file, in: formData, type: file}, {name: note, in: formData, type: string}]
definitions: {Order: {type: object, properties: {id: {type: string}}}}
""")
    put, upload = api.operations
    assert put.key == "PUT /v1/orders/{id}"
    assert [(each.name, each.lists) for each in put.parameters] == [
        ("id", ListStyle.NONE),
        ("ids", ListStyle.CSV),
        ("tags", ListStyle.REPEATED),
    ]
    assert put.parameters[0].required
    assert put.body is not None
    assert put.body.is_json
    assert put.body.schema.name == "Order"
    assert put.answer is not None
    assert list(put.answer.schema.members) == ["id"]
    assert upload.body is not None
    assert upload.body.is_form
    assert list(upload.body.schema.members) == ["file", "note"]
    assert api.schemas.member(upload.body.schema, "file").is_binary


@pytest.mark.parametrize(
    ("servers", "path"),
    [
        ("servers: [{url: 'https://h.example/v4/'}]", "/v4/a"),
        ("servers: [{url: /v4}, {url: /v5}]", "/v4/a"),
        (
            "servers: [{url: 'https://{h}/{v}', variables: {h: {default: x}, v: {default: v9}}}]",
            "/v9/a",
        ),
        ("servers: []", "/a"),
        ("", "/a"),
    ],
    ids=["url", "first", "variables", "empty", "none"],
)
def test_paths_begin_with_the_path_of_the_server(servers: str, path: str):
    (operation,) = paths_api("  /a: {get: {}}", f"{servers}\n").operations
    assert operation.path == path


def test_the_nearest_server_counts_unless_a_base_is_given():
    text = """
openapi: 3.1.0
servers: [{url: /root}]
paths:
  /a: {servers: [{url: /path}], get: {servers: [{url: /own}]}, put: {}}
"""
    assert [each.path for each in api_of(text).operations] == ["/own/a", "/path/a"]
    document = read_document(SourceText("a.yaml", text))
    assert [each.path for each in read_openapi(document, "/v7/").operations] == ["/v7/a", "/v7/a"]


def test_an_operations_parameter_replaces_that_of_its_path():
    operation = only("""
  /a/{id}:
    parameters: [{name: id, in: path}, {name: q, in: query, schema: {type: string}}]
    get:
      parameters: [{name: q, in: query, schema: {type: integer}}, {name: q, in: header}]
""")
    found = [(each.name, each.where, each.schema.kind) for each in operation.parameters]
    assert found == [
        ("id", Where.PATH, ""),
        ("q", Where.QUERY, "integer"),
        ("q", Where.HEADER, ""),
    ]


def test_headers_that_say_what_the_operation_says_are_left_out():
    operation = only(
        "  /a: {get: {parameters: [{name: Accept, in: header}, {name: Authorization, in: header},"
        " {name: X-A, in: header}, {name: s, in: cookie}, {in: query}, {name: b, in: nowhere}]}}"
    )
    assert [each.name for each in operation.parameters] == ["X-A", "s"]


@pytest.mark.parametrize(
    ("parameter", "style"),
    [
        ("name: a, schema: {type: array}", ListStyle.REPEATED),
        ("name: a, explode: false, schema: {type: array}", ListStyle.CSV),
        ("name: a, style: pipeDelimited, schema: {type: array}", ListStyle.CSV),
        ('name: "a[]", schema: {type: array}', ListStyle.BRACKETS),
        ("name: a, schema: {type: string}", ListStyle.NONE),
        ("name: a, content: {application/json: {schema: {type: object}}}", ListStyle.NONE),
    ],
    ids=["exploded", "csv", "pipes", "brackets", "text", "content"],
)
def test_how_a_query_gives_a_list(parameter: str, style: ListStyle):
    operation = only(f"  /a: {{get: {{parameters: [{{in: query, {parameter}}}]}}}}")
    assert operation.parameters[0].lists is style


def test_the_answer_is_that_of_the_lowest_good_status_that_says_something():
    operation = only("""
  /a:
    get:
      responses:
        204: {description: nothing}
        "2XX": {content: {application/json: {schema: {type: array, items: {}}}}}
        201: {content: {text/csv: {}, application/hal+json: {schema: {type: object}}}}
""")
    assert operation.answer is not None
    assert operation.answer.schema.kind == "object"
    assert operation.answer.is_json
    assert operation.statuses == ("204", "2XX", "201")
    default = only("  /a: {get: {responses: {default: {content: {'*/*': {}}}}}}")
    assert default.answer is not None
    assert not default.answer.is_json
    assert only("  /a: {get: {responses: {404: {content: {'*/*': {}}}}}}").answer is None


def test_a_form_comes_after_json_and_before_other_bodies():
    operation = only("""
  /a:
    post:
      requestBody:
        content:
          text/plain: {}
          application/x-www-form-urlencoded: {schema: {properties: {a: {}}}}
""")
    assert operation.body is not None
    assert list(operation.body.schema.members) == ["a"]


def test_references_are_followed_wherever_they_may_stand():
    api = paths_api(
        """
  /a/{id}: {$ref: "#/components/pathItems/A"}
""",
        """
components:
  pathItems:
    A:
      parameters: [{$ref: "#/components/parameters/id"}]
      post:
        requestBody: {$ref: "#/components/requestBodies/B"}
        responses: {200: {$ref: "#/components/responses/R"}}
  parameters: {id: {name: id, in: path, schema: {$ref: "#/components/schemas/Id"}}}
  requestBodies: {B: {content: {application/json: {schema: {$ref: "#/components/schemas/S"}}}}}
  responses: {R: {content: {application/json: {schema: {$ref: "#/components/schemas/S"}}}}}
  schemas: {Id: {type: integer}, S: {type: object, properties: {a: {}}}}
""",
    )
    (operation,) = api.operations
    assert operation.parameters[0].schema.kind == "integer"
    for content in (operation.body, operation.answer):
        assert content is not None
        assert content.schema.name == "S"


def test_references_out_of_the_document_and_into_nothing_are_refused_all_at_once():
    found = problems("""
openapi: 3.0.0
paths:
  /a: {get: {parameters: [{$ref: "#/components/parameters/gone"}]}}
  /b: {$ref: "other.yaml#/paths/b"}
components:
  schemas:
    A: {$ref: "https://host.example/a.json"}
    B: {properties: {x: {$ref: "#/components/schemas/A/none"}}, example: {$ref: "not one"}}
""")
    assert len(found) == 4
    assert found[0].startswith("old.yaml:4:")
    assert "'#/components/parameters/gone' leads nowhere" in found[0]
    assert "'other.yaml#/paths/b' is in another document, and none is fetched" in found[1]
    assert "https://host.example" in found[2]


def test_references_in_a_circle_say_nothing():
    operation = only("  /a: {get: {responses: {200: {$ref: '#/paths/~1a/get/responses/200'}}}}")
    assert operation.answer is None


def test_paths_that_are_none_are_refused():
    (problem,) = problems("openapi: 3.0.0\npaths: {a: {get: {}}}")
    assert "must begin with a slash" in problem
    (problem,) = problems("openapi: 3.0.0\npaths: {}")
    assert "there are no paths" in problem


def test_what_is_not_as_it_should_be_is_passed_over():
    api = paths_api("""
  x-mine: {get: {}}
  /a: {get: nothing, post: {parameters: 7, requestBody: {}, responses: [], servers: [x]}}
""")
    (operation,) = api.operations
    assert (operation.key, operation.parameters, operation.body) == ("POST /a", (), None)
