"""Documents of others: values as they are written, places for people, and no way to hurt."""

import pytest

from proxy.config.documents import MAX_DOCUMENT_DEPTH, read_document
from proxy.config.source import SourceText
from proxy.errors import ConfigError


def read(text: str, name: str = "old.yaml"):
    return read_document(SourceText(name, text))


def fault(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        read(text)
    (problem,) = refused.value.problems
    return str(problem)


def test_json_and_yaml_give_the_same_values():
    assert read('{"a": [1, 2.5, true, null, "x"]}').value == {"a": [1, 2.5, True, None, "x"]}
    assert read("a: [1, 2.5, true, null, x]").value == {"a": [1, 2.5, True, None, "x"]}


def test_text_stays_text_whatever_it_looks_like():
    value = read('a: "1"\nb: ${HOME}\nc: 2026-01-31\nd: yes\n200: ok').value
    assert value == {"a": "1", "b": "${HOME}", "c": "2026-01-31", "d": "yes", "200": "ok"}


def test_json_may_begin_with_a_mark_of_its_order_of_bytes():
    assert read('\ufeff {"a": 1}').value == {"a": 1}


def test_a_place_has_the_line_of_the_nearest_thing_around_it():
    document = read("a:\n  /b/c:\n  - {d: 1}\n")
    assert str(document.place("a", "/b/c", 0, "d")) == "old.yaml:3:9: #/a/~1b~1c/0/d"
    assert str(document.place("a", "none", "d")) == "old.yaml:2:3: #/a/none/d"
    assert str(document.place("a", "/b/c", 7)) == "old.yaml:3:3: #/a/~1b~1c/7"
    assert str(read('{"a": 1}').place("a")) == "old.yaml: #/a"


def test_merge_keys_give_way_to_own_keys_and_to_earlier_ones():
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], c: 3}\nw: {<<: *x, a: 4}"
    value = read(text).value
    assert value["z"] == {"a": 1, "b": 1, "c": 3}
    assert value["w"] == {"a": 4, "b": 1}


def test_aliases_of_aliases_take_no_memory():
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 40)]
    value = read("\n".join(lines)).value
    assert value["a39"][0] is value["a38"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\na: 2", "old.yaml:2:1: the key a is given twice"),
        ('{"a": ', "old.yaml:1:"),
        ("- a", "old.yaml:1:1: a file must hold a mapping of keys"),
        ("a: [", "old.yaml:"),
        ("a: !!python/object:os.system x", "tags are not used here"),
        (f"a: {'[' * MAX_DOCUMENT_DEPTH}{']' * MAX_DOCUMENT_DEPTH}", "nested deeper than 200"),
    ],
    ids=["twice", "json", "list", "yaml", "tag", "deep"],
)
def test_what_is_no_document_is_refused_with_its_place(text: str, told: str):
    assert told in fault(text)
