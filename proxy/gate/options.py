"""What a route must show before it may be promoted."""

from dataclasses import dataclass

from proxy.comparison.kinds import Kind
from proxy.gate.evidence import OF_REQUESTS


@dataclass(frozen=True, slots=True)
class GateOptions:
    """The conditions of one route. Rates and shares are from 0 to 1.

    With *confidence*, the true rate of mismatches is at most *max_mismatch*; the evidence is of at
    least *min_keys* clients over *min_duration_s*, has seen *min_field_coverage* of the answer's
    fields, and leaves at most *max_unseen_mass* to kinds of requests that it has not seen. Shares
    of noise and transient differences have ceilings of their own, or they would hide what they
    are taken for; so have mirrors that were sent and gave nothing to compare (*max_uncompared*, a
    share of those sent), or a server that answers half of the calls would pass on the other half.
    One mismatch of a *forbid* kind in an answer blocks.
    """

    max_mismatch: float = 0.001
    confidence: float = 0.95
    min_keys: int = 200
    min_duration_s: float = 24 * 3600.0
    min_field_coverage: float = 0.9
    max_unseen_mass: float = 0.01
    max_noise: float = 0.05
    max_transient: float = 0.05
    max_uncompared: float = 0.05
    forbid: frozenset[Kind] = frozenset({Kind.STATUS_CLASS, Kind.MISSING_FIELD, Kind.TYPE})

    def forbids(self, path: str, kind: Kind) -> bool:
        """Whether one mismatch of *kind* at *path* blocks.

        In requests none does: any client may send what no message has, and would hold up a route.
        Such mismatches count for the rate, as all do.
        """
        return kind in self.forbid and not path.startswith(OF_REQUESTS)
