"""YAML text to a tree with positions, with either of PyYAML's parsers."""

import pytest
import yaml

from proxy.config.source import (
    MAX_DEPTH,
    ListNode,
    MappingNode,
    Node,
    ScalarNode,
    SourceText,
    SyntaxProblem,
    parse_source,
)

PARSERS = [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)]

pytestmark = pytest.mark.parametrize("parser", PARSERS, ids=["python", "libyaml"])


def plain(node: Node) -> object:
    if isinstance(node, ScalarNode):
        return node.text if node.plain else (node.text,)
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return {key.text: plain(value) for key, value in node.entries}


def parse(text: str, parser: type) -> MappingNode:
    return parse_source(SourceText("a.yaml", text), parser)


def test_tree_keeps_what_is_written_and_whether_it_is_quoted(parser: type) -> None:
    tree = parse("a: 1\nb: ['x', yes, {c: |\n  text\n}]\n".replace("|\n  text\n", '"q"'), parser)
    assert plain(tree) == {"a": "1", "b": [("x",), "yes", {"c": ("q",)}]}


def test_every_key_and_value_has_its_place(parser: type) -> None:
    tree = parse("a: 1\nlist:\n- {x: y}\n", parser)
    (_, first), (key, items) = tree.entries
    assert isinstance(items, ListNode)
    assert [str(node.place) for node in (first, key, items.items[0])] == [
        "a.yaml:1:4",
        "a.yaml:2:1",
        "a.yaml:3:3",
    ]


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "---\n...\n"])
def test_empty_file_is_an_empty_mapping(parser: type, text: str) -> None:
    assert parse(text, parser).entries == ()


def test_equal_keys_are_kept_for_the_next_step(parser: type) -> None:
    assert len(parse("a: 1\na: 2", parser).entries) == 2


def test_alias_is_the_node_of_its_anchor(parser: type) -> None:
    tree = parse("a: &tls {ca: x}\nb: *tls\nc: &name text\nd: *name", parser)
    values = [value for _, value in tree.entries]
    assert values[0] is values[1]
    assert values[2] is values[3]


REFUSED = [
    ("- a", "a.yaml:1:1", "a file must hold a mapping of keys"),
    ("text", "a.yaml:1:1", "a file must hold a mapping of keys"),
    ("a: 1\n---\nb: 2", "a.yaml:2:1", "one YAML document"),
    ("a: *x", "a.yaml:1:4", "alias *x has no anchor before it"),
    ("a: &x [*x]", "a.yaml:1:8", "alias *x has no anchor before it"),
    ("a: !!int '1'", "a.yaml:1:4", "tags are not used here"),
    ("a: !python/object:os.system x", "a.yaml:1:4", "tags are not used here"),
    ("? [a]\n: b", "a.yaml:1:3", "a key must be plain text"),
    ("a: 1\n b: 2", "a.yaml:2:3", "mapping values are not allowed"),
    ("ab: [1, 2\n", "a.yaml:2:1", "while parsing a flow"),
    ("a: 1\nb: \x07", "a.yaml:2:4", "a character YAML forbids (U+0007)"),
    ("a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH, "a.yaml:1:35", "nested deeper than 32 levels"),
]


@pytest.mark.parametrize(("text", "place", "message"), REFUSED)
def test_refused_text_names_its_place(parser: type, text: str, place: str, message: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse(text, parser)
    problem = caught.value.problem
    assert str(problem.place) == place
    assert message in problem.message


def test_depth_below_the_limit_is_taken(parser: type) -> None:
    depth = MAX_DEPTH - 1
    assert parse("a: " + "[" * depth + "]" * depth, parser).entries


def test_deep_nesting_ends_in_a_problem_and_not_in_a_crash(parser: type) -> None:
    with pytest.raises(SyntaxProblem):
        parse("a: " + "[" * 100_000, parser)
