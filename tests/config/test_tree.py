"""Nodes to values: scalars, environment variables, equal keys, aliases."""

import pytest

from proxy.config.source import SourceText, SyntaxProblem, parse_source
from proxy.config.tree import MAX_VALUES, Tree, TreeBuilder, parse_path, path_text, plain_value


def build(*texts: str, **environ: str) -> Tree:
    builder = TreeBuilder(environ)
    for number, text in enumerate(texts):
        builder.add(parse_source(SourceText(f"{number}.yaml", text)))
    return builder.build()


SCALARS = [
    # As in JSON and in YAML 1.2's core schema.
    ("1", 1),
    ("-7", -7),
    ("0", 0),
    ("1.5", 1.5),
    ("1e3", 1000.0),
    ("true", True),
    ("False", False),
    # What YAML 1.1 reads as something else than the text that it is.
    *((word, word) for word in ("yes", "no", "on", "off", "y", "N", "010", "0o10", "0x1F")),
    *((word, word) for word in ("1:30", "1_000", "+1", ".5", "5.", ".inf", ".nan", "2024-01-01")),
    ("=", "="),
    # More digits than Python is willing to read.
    ("9" * 5000, "9" * 5000),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_plain_scalar(text: str, value: object) -> None:
    found = plain_value(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["'1'", '"true"', "'null'", "|\n  1"])
def test_quoted_scalar_stays_text(text: str) -> None:
    assert isinstance(build(f"a: {text}").values["a"], str)


@pytest.mark.parametrize("text", ["a:", "a: null", "a: ~"])
def test_key_without_a_value_is_a_problem(text: str) -> None:
    [problem] = build(text).problems
    assert "has no value" in problem.message


def test_variables_are_replaced_in_values_only() -> None:
    tree = build("${KEY}: 'x-${A}-${B}'\nlist: ['${A}']", A="1", B="two", KEY="k")
    assert tree.values == {"${KEY}": "x-1-two", "list": ("1",)}
    assert tree.templates == {("${KEY}",): "x-${A}-${B}", ("list", 0): "${A}"}


def test_variable_is_not_looked_for_in_what_a_variable_gave() -> None:
    assert build("a: ${A}", A="${B}", B="x").values == {"a": "${B}"}


@pytest.mark.parametrize(
    ("text", "value"), [("$${A}", "${A}"), ("a$b", "a$b"), ("$$", "$$"), ("$$${A}", "$${A}")]
)
def test_escaped_and_lonely_dollars_stay(text: str, value: str) -> None:
    assert build(f"a: {text}", A="1").values == {"a": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${MISSING}", "the environment has no variable MISSING"),
        ("${}", "${} is not a variable"),
        ("${A-b}", "${A-b} is not a variable"),
        ("${:-b}", "${:-b} is not a variable"),
        ("x${A", "${ is not a variable"),
        ("${BYTES}", "the variable BYTES is not UTF-8"),
    ],
)
def test_bad_variable_is_a_problem_at_its_place(text: str, message: str) -> None:
    [problem] = build(f"a: {text}", BYTES="\udcff").problems
    assert problem.message.startswith(message)
    assert str(problem.place) == "0.yaml:1:4: a"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${UNSET:-b}", "b"),
        ("${EMPTY:-b}", "b"),
        ("${A:-b}", "1"),
        ("${UNSET:-}", ""),
        ("${UNSET:-http://h:1/:-}", "http://h:1/:-"),
    ],
)
def test_default_stands_in_for_an_unset_or_empty_variable(text: str, value: str) -> None:
    """As in a POSIX shell."""
    tree = build(f"a: '{text}'", A="1", EMPTY="")
    assert (tree.values, tree.problems) == ({"a": value}, [])
    assert tree.templates == {("a",): text}


def test_empty_variable_is_empty_text() -> None:
    tree = build("a: ${A}", A="")
    assert (tree.values, tree.problems) == ({"a": ""}, [])


def test_key_given_twice_names_both_places() -> None:
    tree = build("a: 1\nb: {c: 1, c: 2}", "a: 3")
    assert [str(problem) for problem in tree.problems] == [
        "0.yaml:2:11: b.c: is given twice; first at 0.yaml:2:5",
        "1.yaml:1:1: a: is given twice; first at 0.yaml:1:1",
    ]
    assert tree.values == {"a": 1, "b": {"c": 1}}


def test_place_of_what_was_not_written_is_that_of_what_is_around_it() -> None:
    tree = build("a:\n  b: [1, 2]")
    assert str(tree.place(("a", "b", 1))) == "0.yaml:2:10: a.b[1]"
    assert str(tree.place(("a", "x", "y"))) == "0.yaml:2:3: a.x.y"
    assert str(tree.key_place(("a", "b"))) == "0.yaml:2:3: a.b"
    assert str(tree.key_place(("a", "b", 0))) == "0.yaml:2:7: a.b[0]"


def test_aliases_of_aliases_are_bounded() -> None:
    levels = "".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 10)}]\n" for n in range(1, 9))
    with pytest.raises(SyntaxProblem, match=f"more than {MAX_VALUES} values"):
        build("k0: &k0 [x]\n" + levels)


@pytest.mark.parametrize("path", ["a", "a.b[0].c", "routes[12].request_headers[3]"])
def test_path_round_trip(path: str) -> None:
    assert path_text(parse_path(path)) == path


def test_empty_tree_still_names_a_place() -> None:
    assert str(Tree().place(("version",))) == "configuration: version"


def test_text_from_a_variable_is_read_anew_wherever_it_stands() -> None:
    tree = build("a: ['${N}', '${N}', {b: '${N}'}]\nc: '${N}'", N="1")
    for location in (("a", 1), ("a", 2, "b"), ("c",)):
        tree.retype(location)
    assert tree.values == {"a": ("1", 1, {"b": 1}), "c": 1}
