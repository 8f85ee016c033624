"""How often addresses are asked for, and what an answer that is none does."""

import asyncio

import pytest

from proxy.errors import UpstreamError
from proxy.upstreams.members import Members
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.refreshing import Refresh
from proxy.upstreams.resolving import Unresolved
from proxy.upstreams.target import Address
from tests.fakes import FakeClock
from tests.upstreams.test_members import HERE, THERE, Lines
from tests.waiting import until


class Answers:
    """A resolver that gives one answer after the other, and the last one for ever."""

    def __init__(self, *answers: tuple[Address, ...] | Exception | None) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(self) -> tuple[Address, ...]:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, tuple):
            return answer
        raise answer or Unresolved("unreachable")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((), "the name has no address"),
        (None, "no answer from DNS"),
        (Unresolved("no such name"), "no such name"),
    ],
)
async def test_without_an_address_calls_fail_and_with_one_it_stays(
    answer: tuple[Address, ...] | Exception | None, problem: str
) -> None:
    members = Members(Lines(), GrpcOptions(), FakeClock(), 0)
    answers = Answers(answer, (HERE,), answer)
    refresh = Refresh(answers, members, 0.01, lambda: 0.5, answer_s=0.01)
    refresh.begin()
    await until(lambda: members.problem == problem or len(members) == 1)
    if not members:
        with pytest.raises(UpstreamError, match=problem):
            await members.choose(1.0)
    # The address that was found stays, whatever comes after it.
    await until(lambda: len(members) == 1 and answers.asked > 4)
    assert members.problem == problem
    await refresh.close()
    await members.close()


async def test_who_is_asked_once_is_asked_by_one_task() -> None:
    members = Members(Lines(), GrpcOptions(), FakeClock(), 0)
    answers = Answers((HERE, THERE))
    refresh = Refresh(answers, members, 3600.0, lambda: 0.0)
    refresh.begin()
    refresh.begin()
    await until(lambda: len(members) == 2)
    await refresh.close()
    assert answers.asked == 1
    await members.close()


async def test_what_never_began_has_nothing_to_close() -> None:
    members = Members(Lines(), GrpcOptions(), FakeClock(), 0)
    await Refresh(Answers(()), members, 1.0, lambda: 0.0).close()
    await members.close()
