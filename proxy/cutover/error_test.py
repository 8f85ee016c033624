"""The sequential error test: whether gRPC fails more often than legacy in the same minutes.

Belongs here: the e-value, and the share that it is computed with. Does not: what counts as an
error (`result`), what follows when it is large (`guard`).

Each error on either side is one event: did it happen on gRPC? If both sides fail alike, it did
with the chance s, gRPC's share of the requests; if gRPC fails r times as often, with the chance
q = r·s / (1 - s + r·s). The test bets on every r of `RATIOS` at once, starting with a sum of 1. An
event multiplies the bet on r by q/s when it was on gRPC and by (1-q)/(1-s) when it was not, which
is fair while both sides fail alike; the e-value is what all bets are worth together. By Ville's
inequality the chance that it *ever* reaches 1/alpha is then at most alpha, however often it is
looked at and however the share changes on the way: each event has the share of its own time.

Bets that lost for long cannot win quickly, so that old good times would hide a new regression.
Two remedies. A tenth of the sum is not staked at first: a small part of it is staked on all ratios
anew with each event, a larger one when the percentage has moved, for this is when things break;
nothing is added to the sum, so that the bound holds for all of it. And after `EVENTS` events, or
`RENEW_AFTER_S`, all begins anew with a sum of 1. The guarantee is thus one for each such period:
if both sides fail alike, the chance of a false alarm is at most alpha in 500 events, whatever moves
the percentage makes meanwhile. (A new test with a new sum at each move was tried: on a ramp of
1, 5, 25, 50 % it has false alarms in 1.8 % of the runs where 1 % was promised.)

Errors of one client come together, and the clients of one side are few. So a client has no more of
its failures on gRPC counted than there are clients on gRPC with failures: one alone has one, two
have two each, and only three or more can go on. What is not counted could only have raised the
e-value, so that the bound still holds. A client is known by its bucket.

What it does not promise: clients that fail by themselves, on whichever side they are, are not
chances of their own. In 200 simulated periods of 3,000 requests at 25 %, where some clients fail
half of the time, there are 2 false alarms when 100 clients after Zipf's law with the exponent 2 all
do (39 when every failure counted); of 1,000 clients after Zipf's law, 5 (21) when one in fifty
does, and 25 (37) when one in ten does. Legacy is the side to err on.
"""

from dataclasses import dataclass
from typing import Final

#: How many times legacy's error rate gRPC's may be, in the alternatives that are bet on.
RATIOS: Final = (1.5, 2.0, 4.0, 8.0, 16.0, 64.0)

#: Error events, and seconds (a day), after which the test begins anew.
EVENTS: Final = 500
RENEW_AFTER_S: Final = 86_400.0

#: What is kept for later bets. With a tenth of the sum kept, five errors out of five at 25 % still
#: suffice, even when the share is estimated as 30 %.
_KEPT: Final = 0.1
_STAKED_PER_EVENT: Final = _KEPT / EVENTS
#: The part of what is left of it that is staked at a move of the percentage.
_STAKED_PER_MOVE: Final = 0.25

#: Requests after which earlier ones count half, so that the share follows clients who come and go.
#: Its error is then below one hundredth of a share of one half.
_REMEMBERED: Final = 20_000

#: Requests that the configured percentage is worth as an opinion on the share. Few, so that it
#: gives way to what is seen where a few clients make most of the requests; the more, the larger
#: the share: at 25 % a share taken for 30 % by bad luck would call for a sixth error.
_LEAST_PRIOR: Final = 20.0
_MOST_PRIOR: Final = 80.0
_PRIOR_PER_SHARE: Final = 320.0


@dataclass(frozen=True, slots=True)
class ErrorTestOptions:
    """The e-value at which the test ends, the reciprocal of alpha; what it tests for.

    *allowed_ratio* is how many times as often as legacy gRPC may fail.
    """

    max_e_value: float = 100.0
    allowed_ratio: float = 1.0


class Share:
    """gRPC's share of the comparable requests at one percentage, as far as it has been seen.

    The percentage is a share of keys, not of requests: where one client makes a third of all
    requests, gRPC has a third of them or none. So the percentage is only where it begins, and what
    is seen outweighs it soon. Only earlier requests count for an event, which keeps the bets fair.
    """

    __slots__ = ("_grpc", "_legacy", "_prior", "_prior_grpc")

    def __init__(self, basis_points: int) -> None:
        configured = basis_points / 10_000
        self._prior = min(_MOST_PRIOR, max(_LEAST_PRIOR, _PRIOR_PER_SHARE * configured))
        self._prior_grpc = self._prior * configured
        self._grpc = self._legacy = 0.0

    def __repr__(self) -> str:
        return f"<Share {self.value:.4f} of {self._grpc + self._legacy:.0f}>"

    def count(self, on_grpc: bool) -> None:
        """Count a request that has ended."""
        if on_grpc:
            self._grpc += 1.0
        else:
            self._legacy += 1.0
        if self._grpc + self._legacy > _REMEMBERED:
            self._grpc /= 2.0
            self._legacy /= 2.0

    @property
    def value(self) -> float:
        """The share, from 0 to 1."""
        return (self._prior_grpc + self._grpc) / (self._prior + self._grpc + self._legacy)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the test has seen since it began anew.

    *errors* that count on both sides together, *grpc_errors* of them on gRPC, whose *share* of the
    requests is that at the last error.
    """

    errors: int = 0
    grpc_errors: int = 0
    share: float = 0.0
    e_value: float = 1.0

    def __str__(self) -> str:
        return (
            f"{self.grpc_errors} of {self.errors} errors on gRPC, which has "
            f"{self.share * 100:.1f} % of the requests: e-value {self.e_value:.4g}"
        )


class ErrorTest:
    """The test of one route. Feed it all comparable requests, in the order in which they end.

    Comparable are requests that the bucket alone has sent to their side. Clocks are monotonic.
    """

    __slots__ = (
        "_began_s",
        "_bets",
        "_clients",
        "_errors",
        "_grpc_errors",
        "_kept",
        "_options",
        "_share",
        "_share_seen",
        "_tells_clients",
    )

    def __init__(self, options: ErrorTestOptions, basis_points: int) -> None:
        self._options = options
        self._gather(basis_points)
        self._begin(None)

    def __repr__(self) -> str:
        return f"<ErrorTest {self.evidence} {self._share!r}>"

    def _gather(self, basis_points: int) -> None:
        self._share = Share(basis_points)
        # With a single bucket on gRPC, all clients there would pass for one.
        self._tells_clients = basis_points > 1

    def _begin(self, now_s: float | None) -> None:
        self._began_s = now_s
        self._kept = _KEPT
        self._bets = [(1.0 - _KEPT) / len(RATIOS)] * len(RATIOS)
        self._errors = self._grpc_errors = 0
        self._clients: dict[int, int] = {}
        self._share_seen = self._share.value

    @property
    def e_value(self) -> float:
        """What the bets and what is kept for them are worth."""
        return self._kept + sum(self._bets)

    @property
    def evidence(self) -> Evidence:
        """What has been seen so far."""
        return Evidence(self._errors, self._grpc_errors, self._share_seen, self.e_value)

    def moved(self, basis_points: int) -> None:
        """Gather the share anew: the percentage is another one from now on."""
        self._gather(basis_points)
        if self._errors:
            stake = self._kept * _STAKED_PER_MOVE
            self._kept -= stake
            self._bets = [bet + stake / len(RATIOS) for bet in self._bets]

    def answered(self, on_grpc: bool) -> None:
        """Count a request that ended well."""
        self._share.count(on_grpc)

    def failed(self, on_grpc: bool, now_s: float, bucket: int | None = None) -> Evidence | None:
        """Count a request that ended in an error; the evidence, if it is enough.

        *bucket* says whose request it was, None that nobody knows; then it counts in any case.
        """
        if self._began_s is None:
            self._began_s = now_s
        if self._errors >= EVENTS or now_s - self._began_s >= RENEW_AFTER_S:
            self._begin(now_s)
        counts = not on_grpc or self._is_new_enough(bucket)
        if counts:
            self._bet(on_grpc, self._share.value)
        self._share.count(on_grpc)
        # It is only errors on gRPC that raise the e-value.
        if counts and on_grpc and self.e_value >= self._options.max_e_value:
            return self.evidence
        return None

    def _is_new_enough(self, bucket: int | None) -> bool:
        """Whether a failure on gRPC tells more than its client has told already; count it then.

        No more clients are kept than failures are counted in one period.
        """
        if bucket is None or not self._tells_clients:
            return True
        told = self._clients.get(bucket, 0)
        if told and told >= len(self._clients):
            return False
        self._clients[bucket] = told + 1
        return True

    def _bet(self, on_grpc: bool, share: float) -> None:
        stake = min(self._kept, _STAKED_PER_EVENT)
        self._kept -= stake
        each = stake / len(RATIOS)
        odds = self._options.allowed_ratio * share
        tested = odds / (1.0 - share + odds)
        self._bets = [
            (bet + each) * (ratio if on_grpc else 1.0) / (1.0 - tested + ratio * tested)
            for bet, ratio in zip(self._bets, RATIOS, strict=True)
        ]
        self._errors += 1
        self._grpc_errors += on_grpc
        self._share_seen = share
