"""What the descriptor sources of a configuration say, before its options are looked at.

Belongs here: pool, bindings and facts of RPCs. Does not: reading the sources (`sources`), what
depends on the options of a route (`routing.snapshot`).

Most changes of a configuration leave its descriptors alone, and to examine those is most of the
work of a load: so a schema outlives the configuration that it was read for.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from proxy.config.resolved import MethodFacts
from proxy.routing.methods import by_rpc, facts_of
from proxy.transcoding.binding import Binding
from proxy.transcoding.descriptors import DescriptorFile, Descriptors, examine_files
from proxy.transcoding.httprule import ServiceConfigRules
from proxy.transcoding.rules import Resolution, resolve


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """All RPCs and their HTTP rules; *bindings* and *facts* are by full name.

    *report* is what the sources said of what they cannot describe. *key* says all about what it
    was made from: a schema of an equal one need not be made again. "" when nothing says that.
    """

    descriptors: Descriptors = field(repr=False)
    resolution: Resolution = field(repr=False)
    bindings: Mapping[str, Sequence[Binding]] = field(repr=False)
    facts: Mapping[str, MethodFacts] = field(repr=False)
    report: tuple[str, ...] = field(repr=False)
    key: str = ""


def examine_schema(
    files: Iterable[DescriptorFile],
    service_configs: Sequence[ServiceConfigRules],
    report: Sequence[str] = (),
    key: str = "",
    breathe: Callable[[], None] = lambda: None,
) -> Schema:
    """Put *files* and the rules for them together. Problems are in the result; raises nothing.

    *breathe* is called between one step and the next: a thread that works while others serve can
    give way there.
    """
    descriptors = examine_files(files, breathe)
    resolution = resolve(descriptors, service_configs, breathe)
    bindings = MappingProxyType(by_rpc(resolution.bindings))
    facts = MappingProxyType(facts_of(bindings))
    return Schema(descriptors, resolution, bindings, facts, tuple(report), key)
