"""Programs as values: which compile, and what numbers they are kept from."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.shape.programs import check_program, guarded, restored

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("\ue000a0-9") | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab\ue000"), inner),
)


@given(values)
def test_what_is_guarded_comes_back_as_it_was(value):
    text = json.dumps(value, ensure_ascii=False).encode()
    assert json.loads(restored(guarded(text))) == value


@given(values)
def test_escaped_texts_are_guarded_too(value):
    text = json.dumps(value).encode()
    assert json.loads(restored(guarded(text))) == value


def test_integers_beyond_double_precision_go_in_as_texts():
    assert json.loads(guarded(b"[9007199254740992, 9007199254740993]")) == [
        9007199254740992,
        "\ue0009007199254740993",
    ]


@pytest.mark.parametrize("text", [b"", b"{", b"[1] 2", b"NaN", b"1e999", b"[NaN, 1e100]"])
def test_what_is_no_json_is_refused(text: bytes):
    with pytest.raises(ValueError, match=r"\S"):
        guarded(text)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (".a |", "syntax error, unexpected end of file at line 1, column 4"),
        ("nosuch(1)", "nosuch/1 is not defined at line 1, column 1"),
        ('include "x"; .', "module not found: x"),
        ('import "x" as x; .', "module not found: x"),
        (".\n| $nothing", "$nothing is not defined at line 2, column 3"),
    ],
)
def test_a_bad_program_is_told_with_its_place(source: str, why: str):
    with pytest.raises(ValueError, match=f"^{re.escape(why)}$"):
        check_program(source)


@pytest.mark.parametrize("source", [".", "def f: .a; f", ". # a comment", "\n.a\n", "1 as $x | $x"])
def test_good_programs_pass(source: str):
    check_program(source)
