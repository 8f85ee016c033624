"""Content coding of answers: gzip for clients that accept it, above a size.

Belongs here: reading Accept-Encoding, and compressing whole bodies. Legacy answers never come
here: they stay as the legacy host coded them.
"""

import asyncio
import zlib
from typing import Final

from proxy.exchange.messages import Answer

#: zlib's window size code for the gzip format.
_GZIP_WINDOW: Final = 31
#: Level 1 costs a third of the default's CPU for JSON that ends up about a fifth larger.
_LEVEL: Final = 1
#: Above this size, in bytes, compression runs on a thread: zlib releases the interpreter lock,
#: and the event loop would otherwise stand still for milliseconds.
_THREAD_ABOVE_BYTES: Final = 256 * 1024

#: Says that an answer depends on what its client accepts.
VARY: Final = ("vary", "accept-encoding")


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether a client takes gzip (RFC 9110 §12.5.3); without the header it is not asked for.

    >>> accepts_gzip("br, gzip;q=0.5"), accepts_gzip("*"), accepts_gzip("gzip;q=0, *")
    (True, True, False)
    """
    if not accept_encoding:
        return False
    weights = dict(_coding(item) for item in accept_encoding.lower().split(","))
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _coding(item: str) -> tuple[str, float]:
    name, *parameters = (part.strip() for part in item.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


async def negotiated(answer: Answer, accept_encoding: str | None) -> Answer:
    """The same answer, gzipped when the client takes that.

    Both forms say that they depend on Accept-Encoding: a cache must not give one for the other.
    """
    answer.headers += (VARY,)
    return await compressed(answer) if accepts_gzip(accept_encoding) else answer


async def compressed(answer: Answer) -> Answer:
    """The same answer, its body gzipped."""
    if len(answer.body) > _THREAD_ABOVE_BYTES:
        body = await asyncio.get_running_loop().run_in_executor(None, _gzip, answer.body)
    else:
        body = _gzip(answer.body)
    headers = (*answer.headers, ("content-encoding", "gzip"))
    return Answer(answer.http_status, headers, body)


def _gzip(body: bytes) -> bytes:
    return zlib.compress(body, _LEVEL, _GZIP_WINDOW)
