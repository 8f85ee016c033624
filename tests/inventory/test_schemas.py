"""Schemas: what is combined, what is within itself, what 3.1 and 2.0 write otherwise."""

from proxy.config.documents import read_document
from proxy.config.source import SourceText
from proxy.inventory.references import References
from proxy.inventory.schemas import MAX_MEMBERS, Schema, Schemas


def schemas_of(text: str) -> tuple[Schemas, dict[str, object]]:
    document = read_document(SourceText("a.yaml", text))
    return Schemas(References(document)), dict(document.value)


def schema(text: str) -> tuple[Schema, Schemas]:
    schemas, value = schemas_of(f"s: {text}")
    return schemas.read(value["s"]), schemas


def test_parts_are_put_together_member_by_member():
    found, schemas = schema(
        "{allOf: [{properties: {a: {}, b: {type: string}}, required: [a]},"
        " {properties: {a: {type: object, properties: {x: {}}}}, required: [b]}]}"
    )
    assert list(found.members) == ["a", "b"]
    assert found.required == {"a", "b"}
    assert list(schemas.member(found, "a").members) == ["x"]


def test_alternatives_have_the_members_of_all():
    found, _ = schema("{oneOf: [{properties: {a: {}}}, {anyOf: [{properties: {b: {}}}]}]}")
    assert list(found.members) == ["a", "b"]


def test_what_stands_beside_a_reference_counts_too():
    schemas, value = schemas_of(
        "a: {$ref: '#/b', properties: {x: {}}, readOnly: true}\nb: {properties: {y: {}}}"
    )
    found = schemas.read(value["a"])
    assert (list(found.members), found.name, found.read_only) == (["x", "y"], "b", True)


def test_schemas_within_themselves_end():
    schemas, value = schemas_of(
        "a: {allOf: [{$ref: '#/a'}, {properties: {next: {$ref: '#/a'}}}]}\n"
        "b: {$ref: '#/c'}\nc: {$ref: '#/b'}"
    )
    found = schemas.read(value["a"])
    assert list(schemas.member(found, "next").members) == ["next"]
    assert schemas.read(value["b"]) == Schema(name="c")


def test_types_of_every_version():
    kinds = {
        "{type: string}": "string",
        '{type: ["null", integer]}': "integer",
        "{type: file}": "string",
        "{properties: {}}": "object",
        "{items: {}}": "array",
        "{}": "",
        "7": "",
    }
    assert {text: schema(text)[0].kind for text in kinds} == kinds


def test_maps_constants_and_examples():
    assert schema("{additionalProperties: {type: string}}")[0].values == {"type": "string"}
    assert schema("{additionalProperties: true}")[0].values == {}
    assert schema("{additionalProperties: true, properties: {a: {}}}")[0].values is None
    assert schema("{const: x}")[0].enum == ("x",)
    assert schema("{enum: [a, b]}")[0].enum == ("a", "b")
    assert schema("{example: 1, examples: [2]}")[0].examples == (1, 2)
    assert schema("{writeOnly: true, required: true}")[0].write_only


def test_there_is_an_end_to_members():
    members = ", ".join(f"m{n}: {{}}" for n in range(MAX_MEMBERS + 5))
    assert len(schema(f"{{allOf: [{{properties: {{{members}}}}}]}}")[0].members) == MAX_MEMBERS
