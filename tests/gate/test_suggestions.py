import json
from typing import Any
from uuid import UUID

import pytest
import yaml

from proxy.comparison.kinds import Kind
from proxy.config.compare import Rule
from proxy.gate.evidence import Example, Finding, StoredValue
from proxy.gate.suggestions import Suggestion, suggest_rules
from tests.gate.evidence import NOW_S, difference, evidence

PATH = "$.order.trace"


def stored(value: Any, *, hidden: bool = False) -> StoredValue:
    kind = {str: "string", bool: "bool", list: "array", dict: "object"}.get(type(value), "number")
    length = len(value) if isinstance(value, str) else 1
    return StoredValue(kind, length, None if hidden else json.dumps(value), "h")


def example(legacy: Any, grpc: Any, path: str = PATH, *, hidden: bool = False) -> Example:
    values = stored(legacy, hidden=hidden), stored(grpc, hidden=hidden)
    finding = Finding(path, Kind.VALUE, 1, *values)
    return Example("ex_1", "get-order", NOW_S, {}, (finding,))


def suggested(
    *pairs: tuple[Any, Any],
    path: str = PATH,
    kinds: tuple[Kind, ...] = (Kind.VALUE,),
    hidden: bool = False,
    seen: tuple[str, ...] = (),
) -> Suggestion:
    """What is suggested for a field of such values, in which legacy always differs from itself."""
    differences = tuple(difference(path, kind, both=40) for kind in kinds)
    found = evidence(differences=differences, seen_fields=frozenset(seen))
    examples = [example(*pair, path, hidden=hidden) for pair in pairs]
    (suggestion,) = suggest_rules(found, examples, NOW_S)
    return suggestion


def options(suggestion: Suggestion) -> dict[str, Any]:
    """The proposed rule, without what all have."""
    (rule,) = yaml.safe_load(suggestion.yaml)
    assert rule.pop("path") == suggestion.path
    assert rule.pop("reason") == ""
    assert rule.pop("expires").isoformat() == "2026-08-26"
    return dict(rule)


ONE, TWO = str(UUID(int=7)), str(UUID(int=9))
TIMES = ("2026-05-28T20:26:40Z", "2026-05-28T22:26:40.300+02:00")
#: What the values look like, and the rule that keeps most of the check.
LOOKS = {
    "uuid": ([(ONE, TWO)], {"use": "format", "format": "uuid"}),
    "hex of one length": (
        [("0af7651916cd43dd", "b7ad6b7169203331")],
        {"use": "format", "format": "regex", "regex": "[0-9a-f]{16}"},
    ),
    "times close by": ([TIMES], {"use": "timestamp", "tolerance": "1s"}),
    "times minutes apart": (
        [TIMES, ("2026-05-28T20:26:40Z", "2026-05-28T20:30:00Z")],
        {"use": "timestamp", "tolerance": "10m"},
    ),
    "times days apart": (
        [("2026-05-28T20:26:40Z", "2026-05-01T20:26:40Z")],
        {"use": "format", "format": "rfc3339"},
    ),
    "no real time": ([("2026-13-28T20:26:40Z", "2026-05-28T20:26:40Z")], {"use": "present"}),
    "numbers close by": ([(100, 101.2), (50, 50)], {"use": "number", "rel": 0.03}),
    "numbers apart": ([(1, 900)], {"use": "present"}),
    "equal numbers": ([(1, 1.0)], {"use": "number", "rel": 0.0}),
    "numbers beyond floats": ([(10**400, 10**401)], {"use": "present"}),
    "truth": ([(True, False)], {"use": "present"}),
    "words": ([("warm", "cold")], {"use": "present"}),
    "one uuid, one word": ([(ONE, "cold")], {"use": "present"}),
    "hex of several lengths": ([("0af76519", "b7ad6b7169203331")], {"use": "present"}),
    "containers": ([([1], [2])], {"use": "present"}),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_noisy_field_gets_the_strictest_rule_that_fits_its_values(look: str) -> None:
    pairs, expected = LOOKS[look]
    suggestion = suggested(*pairs)
    assert options(suggestion) == expected
    assert not suggestion.is_guess


#: Values that are not stored: what their lengths and the name of the field tell.
HIDDEN = {
    "$.trace": (ONE, TWO, {"use": "format", "format": "uuid"}, True),
    "$.createTime": (*TIMES, {"use": "format", "format": "rfc3339"}, True),
    "$.history[*].updated_at": (*TIMES, {"use": "format", "format": "rfc3339"}, True),
    "$.note": (*TIMES, {"use": "present"}, False),
    "$.lastTime": ("soon", "late", {"use": "present"}, False),
    "$.count": (1, 2, {"use": "present"}, False),
}


@pytest.mark.parametrize("path", HIDDEN)
def test_a_form_is_guessed_by_length_and_name_when_values_are_not_stored(path: str) -> None:
    legacy, grpc, expected, is_guess = HIDDEN[path]
    suggestion = suggested((legacy, grpc), path=path, hidden=True)
    assert (options(suggestion), suggestion.is_guess) == (expected, is_guess)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ((), {"use": "set"}),
        (("$.hosts[*].age", "$.hosts[*].name"), {"use": "list", "key": "name"}),
        (("$.hosts[*].age", "$.other.hosts[*].id"), {"use": "list"}),
    ],
)
def test_an_order_that_varies_makes_a_set_or_a_list_by_key(
    seen: tuple[str, ...], expected: dict[str, Any]
) -> None:
    suggestion = suggested(path="$.hosts", kinds=(Kind.LIST_ORDER,), seen=seen)
    assert options(suggestion) == expected


@pytest.mark.parametrize("kind", [Kind.MISSING_FIELD, Kind.EXTRA_FIELD, Kind.NULL_VS_ABSENT])
def test_only_what_comes_and_goes_is_ignored(kind: Kind) -> None:
    assert options(suggested(kinds=(kind, Kind.VALUE))) == {"use": "ignore"}


@pytest.mark.parametrize("look", LOOKS)
def test_every_suggestion_is_a_rule_once_somebody_has_given_the_reason(look: str) -> None:
    (rule,) = yaml.safe_load(suggested(*LOOKS[look][0]).yaml)
    rule["expires"] = str(rule["expires"])  # the proxy's own reader leaves days as they are
    with pytest.raises(ValueError, match="reason"):
        Rule.model_validate(rule)
    assert Rule.model_validate({**rule, "reason": "random by design"}).path == PATH


def test_a_path_cannot_break_out_of_its_yaml() -> None:
    path = '$.a", use: ignore} # \\ \n - {é'
    assert yaml.safe_load(suggested(path=path).yaml)[0]["path"] == path


def test_the_reason_tells_the_counts() -> None:
    found = evidence(differences=(difference(PATH, b=1, c=2, both=30),))
    (suggestion,) = suggest_rules(found, [], NOW_S)
    assert suggestion.because == (
        "legacy differed from itself in 32 of 33 controls with a difference there"
    )


#: Fields for which nothing may be proposed.
NOT_NOISY = {
    "never controlled": difference(PATH),
    "only gRPC differs": difference(PATH, b=40),
    "really worse than the noise": difference(PATH, b=60, c=20, both=20),
    "seen twice": difference(PATH, c=2),
    "a header": difference("header:etag", Kind.HEADER, both=40),
    "the status": difference("status", Kind.STATUS_CODE, both=40),
    "a request": difference("request:$.a", both=40),
}


@pytest.mark.parametrize("why", NOT_NOISY)
def test_what_legacy_does_not_show_itself_gets_no_rule(why: str) -> None:
    assert suggest_rules(evidence(differences=(NOT_NOISY[why],)), [], NOW_S) == ()


def test_several_kinds_at_one_path_make_one_rule() -> None:
    suggestion = suggested((ONE, TWO), kinds=(Kind.VALUE, Kind.NUMBER_REPR))
    assert suggestion.kinds == (Kind.NUMBER_REPR, Kind.VALUE)
