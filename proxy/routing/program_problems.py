"""Programs of shapes that nothing is ever given to, told where they are written.

Belongs here: which RPC takes which program from where. Does not: what is wrong with a program by
itself (`config`).

A program of an entry must have bodies to read at its RPC; one of a profile or of `defaults` at some
RPC that takes it from there.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from proxy.config.resolved import Config
from proxy.config.tree import Location
from proxy.errors import Problem
from proxy.routing.schema import Schema
from proxy.routing.shape_layers import shape_layers
from proxy.transcoding.binding import Binding
from proxy.transcoding.body import takes_json
from proxy.transcoding.response import is_raw_answer

_REQUEST, _ANSWER = "request", "answer"
_INERT: Final = {
    _REQUEST: "does nothing: no request has a JSON body",
    _ANSWER: "does nothing: no answer is JSON",
}


@dataclass(frozen=True, slots=True)
class ProgramProblems:
    """Finds the problems of one configuration. *breathe* is called between one RPC and the next."""

    config: Config
    schema: Schema
    breathe: Callable[[], None]

    def find(self) -> Iterator[Problem]:
        """Every program without a use where it is written."""
        useful: dict[Location, bool] = {}
        for rpc, bindings in self.schema.bindings.items():
            if self.config.options_for(rpc).shape is None:
                continue
            for which in (_REQUEST, _ANSWER):
                place = self._place_of(rpc, which)
                if place is not None:
                    useful[place] = useful.get(place, False) or any(
                        _reads(each, which) for each in bindings
                    )
            self.breathe()
        for place, is_useful in useful.items():
            if not is_useful:
                yield Problem(self.config.place_at(place), _INERT[str(place[-1])])

    def _place_of(self, rpc: str, which: str) -> Location | None:
        for location, section in shape_layers(self.config, rpc):
            if section.jq is not None and getattr(section.jq, which) is not None:
                return (*location, "jq", which)
        return None


def _reads(binding: Binding, which: str) -> bool:
    """Whether a program of a binding is ever given anything."""
    return takes_json(binding) if which == _REQUEST else not is_raw_answer(binding)
