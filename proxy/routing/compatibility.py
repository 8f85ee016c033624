"""What clients would lose if one snapshot took the place of another.

Belongs here: bindings that are gone or lead elsewhere, and who is paired with whom. Does not: the
fields of a pair (`routing.losses`), what is done about a loss (`cli.reloading`, `cli.plan`).

Everything is seen as a client of the JSON API sees it: a field that keeps its JSON name and form
is the same, whatever its number; a template that names its variables otherwise matches the same
paths. What is only new is no loss.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from proxy.cutover.stages import Stage
from proxy.routing.losses import BindingLosses, Loss
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import RouteBinding

#: The stages in which clients get answers of gRPC.
GRPC_STAGES: Final = frozenset({Stage.CANARY, Stage.GRPC})
#: What stands in a made-up path where a template has a wildcard.
_SAMPLES: Final = {"*": "x", "**": "x/x"}

_Pattern = tuple[str, tuple[str, ...], str]


def find_losses(
    old: Snapshot, new: Snapshot, breathe: Callable[[], None] = lambda: None
) -> tuple[Loss, ...]:
    """What clients of *old* lose with *new*, in the order of the old bindings.

    A binding whose paths another one of the same RPC takes over is not gone. What cannot be told
    by looking at one path, such as a new binding that takes some of a wildcard's paths away, is
    not seen. *breathe* is called between one binding and the next.
    """
    patterns = {_pattern(target): target for target in new.bindings}
    return tuple(_losses(old, new, patterns, breathe))


def live_by_file(snapshot: Snapshot) -> frozenset[str]:
    """The names of the routes whose clients get answers of gRPC, as the files have it."""
    return frozenset(route.name for route in snapshot.routes if route.stage in GRPC_STAGES)


def breaking(
    losses: Iterable[Loss], new: Snapshot, live: Collection[str], still_live: Collection[str]
) -> Iterator[Loss]:
    """The losses that a client would notice: of routes that gRPC answers, now and then still.

    *live* are the names of those that it answers now, *still_live* those that it would answer in
    *new*. A route that goes back to legacy takes its answers from there again.
    """
    moved_away = {route.rpc for route in new.routes if route.name not in still_live}
    return (loss for loss in losses if loss.route in live and loss.rpc not in moved_away)


def _losses(
    old: Snapshot,
    new: Snapshot,
    patterns: dict[_Pattern, RouteBinding],
    breathe: Callable[[], None],
) -> Iterator[Loss]:
    compare = BindingLosses().find
    for target in old.bindings:
        breathe()
        successor = patterns.get(_pattern(target)) or _matched(target, new)
        if successor is None:
            yield Loss.of(target, message="is gone")
        elif successor.route.rpc != target.route.rpc:
            rule = f"{successor.binding.http_method} {successor.binding.template}"
            message = f"leads to {successor.route.rpc} now, by {rule}"
            yield Loss.of(target, message=message)
        else:
            options = old.config.options_for(target.route.rpc)
            successors = new.config.options_for(successor.route.rpc)
            yield from compare(target, successor, options, successors)


def _pattern(target: RouteBinding) -> _Pattern:
    """What a binding matches, without the names of its variables."""
    binding = target.binding
    return binding.http_method, binding.template.segments, binding.template.verb


def _matched(target: RouteBinding, new: Snapshot) -> RouteBinding | None:
    """The new binding that takes a path of the old one."""
    template = target.binding.template
    path = "/" + "/".join(_SAMPLES.get(segment, segment) for segment in template.segments)
    path += f":{template.verb}" if template.verb else ""
    method = target.binding.http_method
    return new.table.find("GET" if method == "*" else method, path).binding
