"""How a request ended on the side that was asked, as far as the cutover is concerned.

Belongs here: the words for it, and telling one from the other. Does not: what follows from it
(`breaker`, `error_test`, `latency_test`).
"""

from enum import Enum

from proxy.cutover.fallback import Failure


class Result(Enum):
    """How a request ended on a side.

    `ANSWERED`: by the side's own answer, refusals of the request among them. `FAILED`: by an
    error of its own. `UNREACHABLE`: by the silence of a gRPC server. `ABANDONED`: by no doing of
    the side's, as when the client left; it tells nothing.
    """

    ANSWERED = "answered"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    ABANDONED = "abandoned"


def result_of(http_status: int, failure: Failure | None = None) -> Result:
    """How a side ended a request that it, and no fallback, ended with *http_status*.

    Both sides are judged by what a client sees, a status of 500 and above: what is an error on
    one side must be one on the other, or they could not be compared. *failure* is that of a gRPC
    call that failed.

    >>> result_of(404), result_of(500)
    (<Result.ANSWERED: 'answered'>, <Result.FAILED: 'failed'>)
    """
    if failure is not None and failure.hurried:
        return Result.ABANDONED
    if failure is not None and failure.is_of_transport:
        return Result.UNREACHABLE
    return Result.FAILED if http_status >= 500 else Result.ANSWERED
