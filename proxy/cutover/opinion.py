"""What a route's gate thinks of a step up, as moves and ramps need to know it.

Belongs here: the value. Does not: how it is come to (`gate.judgement`), who obeys it (`exchange`).
"""

from dataclasses import dataclass
from typing import Final

from proxy.gate.judgement import GateVerdict

#: Characters of an opinion in one line: it goes into the audit log.
MAX_TEXT: Final = 1000


@dataclass(frozen=True, slots=True)
class Opinion:
    """A gate's verdict at *at_s* of the Unix clock, and why.

    *compared* and *mismatches* are those that its bound counts; *upper* is the bound on the rate
    of mismatches, None without evidence.

    >>> str(Opinion(GateVerdict.INCONCLUSIVE, ("min_keys 200, have 3", "needs about 40 more"), 7))
    'inconclusive: min_keys 200, have 3; needs about 40 more'
    """

    verdict: GateVerdict
    because: tuple[str, ...] = ()
    compared: int = 0
    mismatches: int = 0
    upper: float | None = None
    at_s: float = 0.0

    @property
    def passes(self) -> bool:
        """Whether a step up may be taken."""
        return self.verdict is GateVerdict.PASS

    def __str__(self) -> str:
        because = "; ".join(self.because)
        text = f"{self.verdict}: {because}" if because else self.verdict
        return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


#: Of a gate that nobody has asked yet: no data is no evidence.
NOT_ASKED: Final = Opinion(GateVerdict.INCONCLUSIVE, ("the evidence has not been looked at yet",))
