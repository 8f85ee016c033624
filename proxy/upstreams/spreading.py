"""When one connection to an address is not enough for the calls to it.

Belongs here: the figures, for both transports. Does not: the connections (`grpc.line`,
`h2.channel`).

Servers bound the calls that one connection has open, commonly at 100 (RFC 9113 §6.5.2 asks for no
less), and what is beyond waits in the client. So another connection is made before the first is
full. Connections are bounded as well: each costs the server memory, and whoever needs many of them
is better served by more addresses.
"""

from typing import Final

#: What a server is taken to allow when it cannot be known: grpcio does not tell.
ASSUMED_STREAMS: Final = 100
#: From this part of its streams on a connection is busy: one that is made then is there when the
#: last of them is taken.
_BUSY_SHARE: Final = 0.75


def easy_streams(max_streams: int) -> int:
    """How many calls a connection takes that may have *max_streams*, before it is busy.

    >>> [easy_streams(most) for most in (0, 1, 2, 4, 100)]
    [0, 1, 1, 3, 75]
    """
    return max(min(1, max_streams), int(max_streams * _BUSY_SHARE))
