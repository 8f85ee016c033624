"""What a form is said to lose, and that nothing else is."""

from dataclasses import replace

import pytest

from proxy.shape.layout import Layouts
from proxy.shape.losses import losses
from proxy.shape.options import EnumTable, FieldShape, Forms, ShapeOptions, Substitute
from tests.shape.shop import message_type


def lost(
    field: str, forms: Forms, enums: tuple[EnumTable, ...] = (), kind: str = "Kinds"
) -> list[str]:
    """What the field of a type loses in the forms."""
    shape = ShapeOptions(fields=(FieldShape(f"{kind}.{field}", forms=forms),), enums=enums)
    layout = Layouts(shape).of(message_type(kind))
    member = next(each for each in layout.members if each.steps[0].name == field)
    return [loss.message for loss in losses(member, member.steps[0])]


@pytest.mark.parametrize(
    ("field", "separator", "loses"),
    [
        ("int64_list", ",", False),
        ("int64_list", "-", True),
        ("int64_list", "0", True),
        ("double_list", ".", True),
        ("double_list", "e", True),
        ("double_list", ";", False),
        ("state_list", "|", False),
        ("state_list", "E", True),
        ("state_list", "-", True),
        ("bool_list", ",", False),
        ("bool_list", "s", True),
        ("bytes_list", ",", True),  # a list of one empty text is written as an empty one
        ("bytes_list", "/", True),
    ],
)
def test_separators_that_values_may_have_in_them(field: str, separator: str, loses: bool) -> None:
    assert bool(lost(field, Forms(separator=separator))) == loses


@pytest.mark.parametrize(
    ("values", "separator", "loses"),
    [
        (("new", "done"), ",", False),
        (("new", "done,sent"), ",", True),
        (("new", 12), "1", True),
    ],
)
def test_separators_of_enums_with_values_of_their_own(
    values: tuple[str | int, ...], separator: str, loses: bool
) -> None:
    names = ("ORDER_STATE_NEW", "ORDER_STATE_DONE")
    table = EnumTable("OrderState", tuple(zip(names, values, strict=True)))
    assert bool(lost("state_list", Forms(separator=separator), (table,))) == loses


@pytest.mark.parametrize(
    ("field", "forms", "value", "loses"),
    [
        ("optional_int64", Forms(), "", False),
        ("optional_int64", Forms(), "-1", True),
        ("optional_int64", Forms(), 0, False),
        ("optional_int64", Forms(int64="number"), 0, True),
        ("optional_int64", Forms(int64="number"), "-", False),
        ("optional_double", Forms(), -1, True),
        ("optional_double", Forms(), "none", False),
        ("optional_double", Forms(floating="text"), "none", False),
        ("optional_double", Forms(floating="text"), "NaN", True),
        ("optional_double", Forms(), False, False),
        ("optional_bool", Forms(), False, True),
        ("optional_bool", Forms(), 0, False),
        ("optional_bool", Forms(boolean=("Y", "N")), "N", True),
        ("optional_bool", Forms(boolean=(1, 0)), False, False),
        ("optional_state", Forms(), "none", True),
        ("optional_bytes", Forms(), "", True),
        ("optional_bytes", Forms(), False, False),
        ("timestamp", Forms(timestamp="epoch_ns"), 0, True),
        ("timestamp", Forms(timestamp="epoch_ns"), "never", False),
        ("timestamp", Forms(timestamp="%F %T.%9f"), "never", False),
        ("timestamp", Forms(timestamp="%F %T.%9f"), 0, False),
        ("timestamp", Forms(timestamp="%F %T.%9f"), "1970-01-01 00:00:00.000000000", True),
        ("duration", Forms(duration="seconds"), -1, True),
        ("duration", Forms(duration="seconds"), "", False),
        ("duration", Forms(duration="iso8601"), "", True),
        ("duration", Forms(duration="iso8601"), 0, False),
    ],
)
def test_what_stands_for_an_unset_field_and_may_be_a_value(
    field: str, forms: Forms, value: str | float | bool, loses: bool
) -> None:
    found = lost(field, replace(forms, unset=Substitute(value)))
    assert bool(found) == loses
    assert not loses or repr(value) in found[0]


@pytest.mark.parametrize(
    ("field", "unset", "loses"),
    [("value", "null", True), ("struct", "null", False), ("optional_int64", "write", True)],
)
def test_null_and_defaults_that_are_values(field: str, unset: str, loses: bool) -> None:
    assert bool(lost(field, Forms(unset=unset))) == loses  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "loses"),
    [
        ("rfc3339", False),
        ("rfc3339_ns", False),
        ("epoch_ns", False),
        ("rfc3339_us", True),
        ("rfc1123", True),
        ("epoch_s", True),
        ("epoch_us", True),
    ],
)
def test_words_for_times(word: str, loses: bool) -> None:
    assert bool(lost("timestamp_map", Forms(timestamp=word))) == loses


def test_cases_in_which_two_names_of_an_enum_are_one() -> None:
    table = EnumTable("OrderState", (("ORDER_STATE_NEW", "done"),))
    found = lost("state_map", Forms(enum="lower", enum_prefix="strip"), (table,))
    assert found == ["writes 'done' for each of the numbers 1 and 3"]
