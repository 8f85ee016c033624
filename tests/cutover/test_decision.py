"""The decision of a route's cutover."""

import pytest

from proxy.cutover.decision import REFUSED, UNMAPPED, Reason, decide
from proxy.cutover.stages import Side, Stage


@pytest.mark.parametrize(
    ("stage", "side", "reason"),
    [
        (None, Side.LEGACY, Reason.UNMAPPED),
        (Stage.LEGACY, Side.LEGACY, Reason.STAGE),
        (Stage.GRPC, Side.GRPC, Reason.STAGE),
    ],
)
def test_the_stage_decides(stage: Stage | None, side: Side, reason: Reason):
    decision = decide(stage)
    assert (decision.side, decision.reason) == (side, reason)


def test_every_stage_has_a_decision():
    assert {decide(stage).side for stage in Stage} == {Side.LEGACY, Side.GRPC}


def test_a_refusal_is_the_proxys_own():
    assert (REFUSED.side, REFUSED.reason) == (Side.PROXY, Reason.REFUSED)
    assert decide(None) is UNMAPPED


@pytest.mark.parametrize("words", [Side, Stage, Reason])
def test_words_are_fit_for_metric_labels(words):
    assert all(word.value.isidentifier() and word.value.islower() for word in words)
