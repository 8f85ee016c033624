"""System parameters: what a query asks for, what it cannot, and what makes no difference."""

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import RequestError
from proxy.transcoding.system_parameters import NOTHING, AnswerForm, Asked, Variants

STEADY: Final = settings(derandomize=True, deadline=None)
MESSAGE = AnswerForm(streams=False, has_media=False, is_media_always=False)
STREAM = AnswerForm(streams=True, has_media=False, is_media_always=False)
MEDIA = AnswerForm(streams=False, has_media=True, is_media_always=False)
ONLY_MEDIA = AnswerForm(streams=False, has_media=True, is_media_always=True)


def variants(form: AnswerForm, *taken: str) -> Variants[Asked]:
    return Variants(form, {asked: asked for asked in form.all()}, taken, 10)


@pytest.mark.parametrize(
    ("form", "count"), [(MESSAGE, 3), (STREAM, 2), (MEDIA, 5), (ONLY_MEDIA, 0)]
)
def test_only_what_makes_a_difference_is_a_variant(form: AnswerForm, count: int):
    assert len(form.all()) == count
    assert NOTHING not in form.all()


@pytest.mark.parametrize(
    ("form", "query", "expected"),
    [
        (MESSAGE, "", None),
        (MESSAGE, "$alt=json", None),
        (MESSAGE, "alt=json;enum-encoding=int", Asked(enums_as_numbers=True)),
        (MESSAGE, "prettyPrint=true", Asked(is_indented=True)),
        (STREAM, "prettyPrint=true", None),
        (STREAM, "alt=sse", Asked(as_events=True)),
        (MEDIA, "alt=json", Asked(is_json=True)),
        (MEDIA, "alt=media", None),
        (ONLY_MEDIA, "alt=json;enum-encoding=int&prettyPrint=true", None),
        (MESSAGE, "Alt=proto&$ALT=x&x.alt=1", None),
    ],
)
def test_a_query_asks_for_a_form(form: AnswerForm, query: str, expected: Asked | None):
    assert variants(form).of(query) == expected


def test_a_name_that_is_a_field_of_the_request_asks_for_nothing():
    taken = variants(MESSAGE, "alt", "$prettyPrint")
    assert taken.of("alt=proto&$prettyPrint=7") is None
    assert taken.of("$alt=json;enum-encoding=int") == Asked(enums_as_numbers=True)
    with pytest.raises(RequestError):
        taken.of("$alt=proto")


@pytest.mark.parametrize("query", ["alt=sse", "alt=media", "alt=json&alt=", "prettyPrint"])
def test_what_cannot_be_is_refused(query: str):
    with pytest.raises(RequestError):
        variants(MESSAGE).of(query)


@pytest.mark.parametrize("query", ["alt=proto&x=%zz", "&".join(["alt=proto"] * 11)])
def test_a_query_that_cannot_be_read_is_left_to_whoever_reads_its_fields(query: str):
    assert variants(MESSAGE).of(query) is None


@STEADY
@given(st.sampled_from([MESSAGE, STREAM, MEDIA, ONLY_MEDIA]), st.text(max_size=40))
def test_any_query_asks_for_something_there_is_or_is_refused(form: AnswerForm, query: str):
    known = variants(form)
    try:
        asked = known.of(query)
    except RequestError:
        return
    assert asked is None or asked in form.all()
