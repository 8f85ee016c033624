"""Path templates: the vectors, the columns of errors, and printing back."""

import string
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.transcoding.percent import literal_key
from proxy.transcoding.template import PathTemplate, TemplateError, Variable, parse_template
from tests.vector_tables import Case, load, select

VECTORS: Final = select("templates")


def parsed_as_in_the_vector(template: PathTemplate) -> dict[str, object]:
    return {
        "segments": list(template.segments),
        "verb": template.verb,
        "variables": [
            {
                "field_path": list(variable.field_path),
                "start": variable.start,
                "end": variable.end,
                "wildcard_tail": variable.wildcard_tail,
            }
            for variable in template.variables
        ],
    }


@VECTORS.where(lambda case: case["valid"]).parametrize
def test_valid_template_parses_into_its_parts(case: Case) -> None:
    template = parse_template(case["template"])
    assert parsed_as_in_the_vector(template) == {
        name: case[name] for name in ("segments", "verb", "variables")
    }
    assert str(template) == case["template"]


@VECTORS.where(lambda case: not case["valid"]).parametrize
def test_invalid_template_is_refused_with_a_column_inside_or_just_behind_it(case: Case) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(case["template"])
    assert 1 <= caught.value.column <= len(case["template"]) + 1


@VECTORS.where(lambda case: "normalized" in case.data and case["valid"]).parametrize
def test_literals_compare_equal_to_their_normalized_spelling(case: Case) -> None:
    template = parse_template(case["template"])
    written = [*template.segments, template.verb]
    normalized = [*case["normalized"]["segments"], case["normalized"]["verb"]]
    assert written != normalized
    assert [literal_key(text) for text in written] == [literal_key(text) for text in normalized]


def test_every_vector_is_used() -> None:
    assert not VECTORS.left_out
    assert len(VECTORS.cases) == len(load("templates")) >= 137


def test_bare_slash_is_the_template_without_segments() -> None:
    assert parse_template("/") == PathTemplate("/", (), "", ())


# A column is the first character that cannot stand where it stands.
@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, 'expected "/" at the start'),
        ("v1", 1, 'expected "/" at the start'),
        ("//", 2, 'expected a segment: text, "*", "**" or a variable'),
        ("/v1/", 5, 'expected a segment: text, "*", "**" or a variable'),
        ("/v1/{x", 7, 'expected ".", "=" or "}" after a field name'),
        ("/v1/{x=a", 9, 'expected "/" or "}"'),
        ("/v1/{x=a:b}", 9, 'expected "/" or "}"'),
        ("/v1/{x=}", 8, 'expected a segment: text, "*", "**" or a variable'),
        ("/{a={b}}", 5, "a variable may not contain another variable"),
        ("/{1a}", 3, "expected a field name (letters, digits and _, no digit first)"),
        ("/{a.}", 5, "expected a field name (letters, digits and _, no digit first)"),
        ("/{a-b}", 4, 'expected ".", "=" or "}" after a field name'),
        ("/{a=**}/b", 8, 'nothing but a verb may follow "**"'),
        ("/{a=**/b}", 7, 'nothing but a verb may follow "**"'),
        ("/a:", 4, 'expected a verb after ":"'),
        ("/a:b:c", 5, "a verb is literal text and ends the template"),
        ("/a:b/c", 5, "a verb is literal text and ends the template"),
        ("/a:b*", 5, "a verb is literal text and ends the template"),
        ("/a:b c", 5, "' ' must be percent-encoded in a path template"),
        ("/{a b}", 4, 'expected ".", "=" or "}" after a field name'),
        ("/a%2", 3, '"%" must be followed by two hexadecimal digits'),
        ("/a?b", 3, "'?' must be percent-encoded in a path template"),
        ("/a b", 3, "' ' must be percent-encoded in a path template"),
        ("/zoné", 5, "'é' must be percent-encoded in a path template"),
        ("/x-{a}", 4, 'expected "/", ":" or the end'),
        ("/***", 4, 'expected "/", ":" or the end'),
    ],
)
def test_error_names_the_column_and_what_was_expected(text: str, column: int, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(text)
    assert (caught.value.column, caught.value.message[: len(message)]) == (column, message)
    assert str(caught.value).startswith(f"column {column}: {message}")


@pytest.mark.parametrize(
    ("text", "single"),
    [
        ("/{x}", True),
        ("/{x=*}", True),
        ("/{x=a}", True),
        ("/{x=**}", False),
        ("/{x=a/*}", False),
        ("/{x=a/**}", False),
    ],
)
def test_variable_is_single_segment_by_its_template_alone(text: str, single: bool) -> None:
    assert parse_template(text).variables[0].single_segment is single


LITERALS: Final = st.lists(
    st.sampled_from([*(string.ascii_letters + string.digits + "-._~!$&'()+,;=@"), "%2F", "%c3"]),
    min_size=1,
    max_size=6,
).map("".join)
NAMES: Final = st.builds(
    str.__add__, st.sampled_from(["_", "a", "Z"]), st.text(alphabet="aZ0_", max_size=4)
)
PLAIN: Final = LITERALS | st.just("*")

#: The same examples in every run, and none fails for being slow on a busy machine.
STEADY: Final = settings(derandomize=True, deadline=None)


@st.composite
def templates(draw: st.DrawFn) -> PathTemplate:
    """A template by its parts; the text is printed from them."""
    segments: list[str] = []
    printed: list[str] = []
    variables: list[Variable] = []
    for _ in range(draw(st.integers(1, 4))):
        inner = draw(st.lists(PLAIN, min_size=1, max_size=3))
        if draw(st.booleans()):
            path = tuple(draw(st.lists(NAMES, min_size=1, max_size=3)))
            variables.append(Variable(path, len(segments), len(segments) + len(inner)))
            printed.append(f"{{{'.'.join(path)}={'/'.join(inner)}}}")
        else:
            printed.extend(inner)
        segments.extend(inner)
    if draw(st.booleans()):
        segments.append("**")
        printed.append("{tail=**}")
        variables.append(Variable(("tail",), len(segments) - 1, -1))
    verb = draw(st.just("") | LITERALS)
    text = "/" + "/".join(printed) + (f":{verb}" if verb else "")
    return PathTemplate(text, tuple(segments), verb, tuple(variables))


@STEADY
@given(templates())
def test_printed_template_parses_back_into_the_same_parts(template: PathTemplate) -> None:
    assert parse_template(str(template)) == template


@STEADY
@given(st.text(alphabet="/*{}=.:%ab1 é", max_size=12))
def test_any_text_either_parses_or_is_refused_with_a_column(text: str) -> None:
    try:
        template = parse_template(text)
    except TemplateError as refusal:
        column = refusal.column
    else:
        assert "**" not in template.segments[:-1]
        assert all(template.segments)
        column = 1
    assert 1 <= column <= len(text) + 1
