"""The decision of a route's cutover: against an oracle in every combination of what it goes by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cutover.bucket import bucket
from proxy.cutover.canary import Canary, HeaderMatch, ValueList
from proxy.cutover.decision import REFUSED, UNMAPPED, Decision, Reason, decide
from proxy.cutover.override_header import OverrideHeader
from proxy.cutover.position import Position
from proxy.cutover.stages import Side, Stage
from proxy.cutover.sticky import Caller, HeaderKey
from tests.cutover.callers import caller

USER: Final = HeaderKey("x-user-id")
TENANT: Final = HeaderKey("x-tenant")

CANARY: Final = Canary(
    "records",
    (USER,),
    match=(HeaderMatch("x-canary", exact="always"),),
    allow=ValueList(TENANT, frozenset({"acme", "both"})),
    deny=ValueList(TENANT, frozenset({"bigbank", "both"})),
)

#: In the middle, so that there are keys on either side of it.
BASIS_POINTS: Final = 5000


def user(key: str) -> Caller:
    return caller(("x-user-id", key))


def decided(
    position: Position | None,
    canary: Canary | None = CANARY,
    asking: Caller | None = None,
    *,
    killed: bool = False,
    override: Side | None = None,
    breaker_open: bool = False,
    pinned: Callable[[str], Side | None] | None = None,
) -> Decision:
    """A decision where nothing is out of the ordinary but what is given."""
    return decide(
        position,
        canary,
        asking or user("u-1"),
        killed=killed,
        override=override,
        breaker_open=breaker_open,
        pinned=pinned,
    )


def key_where(wanted: Callable[[int], bool]) -> str:
    keys = (f"user-{number}" for number in range(100_000))
    return next(key for key in keys if wanted(bucket("records", key)))


IN: Final = key_where(lambda number: number < BASIS_POINTS)
OUT: Final = key_where(lambda number: number >= BASIS_POINTS)


@dataclass(frozen=True)
class Case:
    """One combination of everything that a decision can depend on."""

    position: Position | None
    has_canary: bool
    killed: bool
    override: Side | None
    tenant: str
    matches: bool
    breaker_open: bool
    pin: Side | None
    key: str

    @property
    def stage(self) -> Stage | None:
        return None if self.position is None else self.position.stage

    @property
    def draws(self) -> bool:
        return self.stage is Stage.CANARY and self.has_canary

    def decide(self) -> Decision:
        headers = [("x-user-id", self.key), ("x-tenant", self.tenant)]
        if self.matches:
            headers.append(("x-canary", "always"))
        return decided(
            self.position,
            CANARY if self.has_canary else None,
            caller(*headers),
            killed=self.killed,
            override=self.override,
            breaker_open=self.breaker_open,
            pinned=lambda key: self.pin if key == self.key else None,
        )


#: The law as a list: the first line that applies decides. It shares no code with `decide`.
LAW: Final[list[tuple[Reason, Callable[[Case], bool], Callable[[Case], Side]]]] = [
    (Reason.KILL_SWITCH, lambda case: case.killed, lambda case: Side.LEGACY),
    (Reason.UNMAPPED, lambda case: case.position is None, lambda case: Side.LEGACY),
    (Reason.OVERRIDE, lambda case: case.override is not None, lambda case: Side(case.override)),
    (Reason.ROLLBACK, lambda case: case.position.rolled_back, lambda case: Side.LEGACY),
    (Reason.DENY, lambda case: case.draws and case.tenant == "bigbank", lambda case: Side.LEGACY),
    (Reason.DENY, lambda case: case.draws and case.tenant == "both", lambda case: Side.LEGACY),
    (Reason.MATCH, lambda case: case.draws and case.matches, lambda case: Side.GRPC),
    (Reason.ALLOW, lambda case: case.draws and case.tenant == "acme", lambda case: Side.GRPC),
    (
        Reason.BREAKER,
        lambda case: case.breaker_open and (case.draws or case.stage is Stage.GRPC),
        lambda case: Side.LEGACY,
    ),
    (Reason.STAGE, lambda case: case.stage is Stage.GRPC, lambda case: Side.GRPC),
    (Reason.STAGE, lambda case: not case.draws, lambda case: Side.LEGACY),
    (Reason.MISSING_KEY, lambda case: not case.key, lambda case: Side.LEGACY),
    (Reason.PIN, lambda case: case.pin is not None, lambda case: Side(case.pin)),
    (Reason.BUCKET, lambda case: case.key == IN, lambda case: Side.GRPC),
    (Reason.BUCKET, lambda case: True, lambda case: Side.LEGACY),
]


def by_law(case: Case) -> tuple[Side, Reason]:
    return next((side(case), reason) for reason, applies, side in LAW if applies(case))


def cases() -> Iterator[Case]:
    positions = [
        None,
        *(Position(*each) for each in product(Stage, [BASIS_POINTS], [False, True])),
    ]
    both, sides = (False, True), (None, Side.LEGACY, Side.GRPC)
    tenants, keys = ("", "acme", "bigbank", "both", "other"), ("", IN, OUT)
    combinations = product(positions, both, both, sides, tenants, both, both, sides, keys)
    return (Case(*values) for values in combinations)


def test_every_combination_is_decided_as_the_law_says():
    seen = set()
    for case in cases():
        decision = case.decide()
        assert (decision.side, decision.reason) == by_law(case), case
        seen.add((decision.side, decision.reason))
    assert {reason for _, reason in seen} == set(Reason) - {Reason.FALLBACK, Reason.REFUSED}
    assert {side for side, _ in seen} == {Side.LEGACY, Side.GRPC}


def test_the_bucket_is_told_when_it_was_looked_at_and_only_then():
    for case in cases():
        decision = case.decide()
        looked_at = bucket("records", case.key) if decision.reason is Reason.BUCKET else None
        assert decision.bucket == looked_at, case


def test_words_count_in_the_order_in_which_they_are_listed():
    # The stages stand apart from the list of a canary, so their words are no part of this.
    order = list(dict.fromkeys(reason for reason, _, _ in LAW))
    apart = {Reason.STAGE, Reason.ROLLBACK, Reason.MISSING_KEY}
    assert [reason for reason in order if reason not in apart] == list(Reason)[:9]


@pytest.mark.parametrize(
    ("stage", "side"),
    [
        (Stage.LEGACY, Side.LEGACY),
        (Stage.SHADOW, Side.LEGACY),
        (Stage.CANARY, Side.LEGACY),
        (Stage.GRPC, Side.GRPC),
    ],
)
def test_without_a_canary_the_stage_alone_decides(stage: Stage, side: Side):
    assert decided(Position(stage, 10_000), None) == Decision(side, Reason.STAGE)


def test_a_request_that_is_not_mapped_is_legacys():
    assert decided(None) is UNMAPPED


def test_a_refusal_is_the_proxys_own():
    assert (REFUSED.side, REFUSED.reason) == (Side.PROXY, Reason.REFUSED)


def test_nothing_but_a_draw_asks_for_pins():
    asked: list[str] = []

    def pinned(key: str) -> Side | None:
        asked.append(key)
        return None

    for stage in (Stage.LEGACY, Stage.SHADOW, Stage.GRPC):
        decided(Position(stage), pinned=pinned)
    decided(Position(Stage.CANARY), breaker_open=True, pinned=pinned)
    decided(Position(Stage.CANARY), asking=caller(), pinned=pinned)
    assert asked == []
    decided(Position(Stage.CANARY), asking=user("u-7"), pinned=pinned)
    assert asked == ["u-7"]


def test_asking_again_for_a_probe_gives_what_asking_once_gives_to_the_side():
    # What `decide` promises to a breaker that lends out probes.
    for case in cases():
        if case.breaker_open:
            continue
        first = case.decide()
        again = Case(**{**vars(case), "breaker_open": True}).decide()
        assert again.side is first.side or (first.side, again.reason) == (
            Side.GRPC,
            Reason.BREAKER,
        )


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
shares = st.integers(0, 10_000)


@given(keys, shares, shares)
def test_raising_the_percent_never_takes_a_key_back(key: str, one: int, other: int):
    low, high = sorted((one, other))
    if decided(Position(Stage.CANARY, low), asking=user(key)).side is Side.GRPC:
        assert decided(Position(Stage.CANARY, high), asking=user(key)).side is Side.GRPC


@given(keys)
def test_a_key_is_in_from_the_first_share_above_its_bucket(key: str):
    number = bucket("records", key)
    sides = [decided(Position(Stage.CANARY, number + more), asking=user(key)) for more in (0, 1)]
    assert sides == [
        Decision(Side.LEGACY, Reason.BUCKET, number),
        Decision(Side.GRPC, Reason.BUCKET, number),
    ]


@given(keys)
def test_no_percent_takes_nobody_and_the_whole_takes_everybody_with_a_key(key: str):
    assert decided(Position(Stage.CANARY, 0), asking=user(key)).side is Side.LEGACY
    assert decided(Position(Stage.CANARY, 10_000), asking=user(key)).side is Side.GRPC


@given(shares)
def test_who_has_no_key_stays_with_legacy_at_any_percent(basis_points: int):
    decision = decided(Position(Stage.CANARY, basis_points), asking=caller())
    assert decision == Decision(Side.LEGACY, Reason.MISSING_KEY)


@given(keys, shares)
def test_routes_of_one_group_decide_alike(key: str, basis_points: int):
    position = Position(Stage.CANARY, basis_points)
    one = Canary("records", (USER,), deny=ValueList(TENANT, frozenset({"bigbank"})))
    other = Canary("records", (HeaderKey("x-session"), USER), pin_ttl_s=30.0)
    assert decided(position, one, user(key)) == decided(position, other, user(key))


@given(keys, shares, st.text(max_size=50))
def test_an_override_that_is_not_trusted_changes_nothing(key: str, share: int, said: str):
    header = OverrideHeader("x-cutover-override", "correct horse battery staple")
    with_header = caller(("x-user-id", key), ("x-cutover-override", f"grpc {said}"))
    override = header.side_of(with_header.headers)
    position = Position(Stage.CANARY, share)
    assert decided(position, asking=with_header, override=override) == decided(
        position, asking=user(key)
    )


@pytest.mark.parametrize("words", [Side, Stage, Reason])
def test_words_are_fit_for_metric_labels(words):
    assert all(word.value.isidentifier() and word.value.islower() for word in words)
