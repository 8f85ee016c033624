"""What compares the exchanges of bindings that no mirror may have: compiled when it is asked for.

Belongs here: the comparisons of one binding by its route's options. Does not: those of mirrors,
which are compiled with their snapshot (`compiled`).
"""

from proxy.cutover.mirror import MirrorOptions
from proxy.routing.comparisons import ComparisonCompiler, Comparisons
from proxy.routing.json_tables import TableKey
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import RouteBinding
from proxy.routing.written import written_of
from proxy.shape.options import ShapeOptions
from proxy.transcoding.protojson import Codecs


class ReplayTools:
    """Compiles the comparisons of the bindings of *snapshot*, each once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._compiler = ComparisonCompiler()
        self._made: dict[RouteBinding, Comparisons] = {}

    def __repr__(self) -> str:
        return f"<ReplayTools of {len(self._made)} bindings>"

    def of(self, target: RouteBinding, mirror: MirrorOptions) -> Comparisons:
        """What compares the exchanges of *target*, within the limits of *mirror*."""
        found = self._made.get(target)
        if found is None:
            options = self._snapshot.config.options_for(target.route.rpc)
            codecs = self._codecs(target)
            written = written_of(options, target.binding, codecs.options)
            inputs = self._compiler.inputs(options.compare, mirror, target.request, written)
            found = self._made[target] = self._compiler.compile(inputs, codecs, None)
        return found

    def _codecs(self, target: RouteBinding) -> Codecs:
        """The codecs that the binding's answers are made with."""
        renderer = target.response
        shape = renderer.shape if isinstance(renderer.shape, ShapeOptions) else None
        return self._snapshot.compiled.tables[TableKey(renderer.options, shape)].codecs
