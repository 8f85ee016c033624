"""A sampled request while it is answered: what is kept of it for its mirror.

Belongs here: keeping within the caps, and giving up without a trace on the primary. Does not:
where the pieces come from (`exchange.mirroring`), what is done with the whole (`pool`).

Pieces are the very bytes that pass through: they are referenced, and joined only when the mirror
begins, which is after the primary's answer is out.
"""

from typing import Final

from proxy.comparison.documents import Document, Obstacle
from proxy.shadow.budget import Room
from proxy.shadow.coding import Undecodable, codings_of, decoded
from proxy.shadow.mirror import RouteMirror
from proxy.shadow.sample import Drop, Failed, Life, Sample, Skip

#: What a sample takes beside its texts: objects of some dozens of fields.
_OVERHEAD_BYTES: Final = 2048
#: What a piece takes beside its bytes: a body may come in many small ones.
_PIECE_BYTES: Final = 64
#: What is said of a body in a coding that is not known, or is none.
CODING: Final = Obstacle.CODING.value


class Capture:
    """What is kept of one request and its answer, within the caps of its *mirror* and the *room*.

    *sample* is complete but for body and answer. *stopped* says why the request is not mirrored,
    once that is known; nothing is kept from then on. Nothing here raises.
    """

    __slots__ = (
        *("_answer", "_answer_size", "_body", "_body_size", "_codings", "_headers", "_held"),
        *("_room", "_status"),
        *("answer_failed", "answer_is_whole", "body_is_whole", "mirror", "sample", "stopped"),
    )

    def __init__(self, mirror: RouteMirror, room: Room, sample: Sample) -> None:
        self.mirror = mirror
        self.sample = sample
        self.stopped: tuple[Life, str] | None = None
        self.body_is_whole = False
        self.answer_is_whole = False
        self.answer_failed = False
        self._room = room
        self._held = 0
        self._body: list[bytes] = []
        self._body_size = 0
        self._codings: tuple[str, ...] = ()
        self._status = 0
        self._headers: tuple[tuple[str, str], ...] = ()
        self._answer: list[bytes] = []
        self._answer_size = 0
        mirror.counts.account.capturing += 1
        self._take(_OVERHEAD_BYTES + _size_of(sample))

    def __repr__(self) -> str:
        state = "capturing" if self.stopped is None else "stopped {} {}".format(*self.stopped)
        return f"<Capture {self.sample.http_method} of {self.mirror.route.name}: {state}>"

    def stop(self, life: Life, reason: str) -> None:
        """Give the mirror up, for what is said first, and let go of what was kept."""
        if self.stopped is None:
            self.stopped = life, reason
            self.release()

    def release(self) -> None:
        """Let go of what is kept. A second call does nothing."""
        self._body, self._answer = [], []
        held, self._held = self._held, 0
        self._room.give_back(held)

    # --- the request's body

    def body_announced(self, size: int | None) -> None:
        """Note what the request's header says of the body; None for a size that is not said."""
        if size != 0:
            self._codings = codings_of(tuple(self.sample.headers.items()))
        self.body_is_whole = size == 0
        if size is not None and size > self.mirror.options.max_request_bytes:
            self.stop(Life.SKIPPED, Skip.BODY_TOO_LARGE)

    def body_read(self, body: bytes) -> None:
        """Keep a body that a side has read whole, without its coding."""
        self._codings = ()
        self.body_came(body)

    def body_came(self, body: bytes) -> None:
        """Keep a body that is passed on whole, as it came."""
        self._body, self._body_size = [], 0
        self.body_piece(body)
        self.body_is_whole = True

    def body_piece(self, piece: bytes) -> None:
        """Keep one piece of a body that is passed on, as it came."""
        if self.stopped is not None:
            return
        self._body_size += len(piece)
        if self._body_size > self.mirror.options.max_request_bytes:
            self.stop(Life.SKIPPED, Skip.BODY_TOO_LARGE)
        elif self._take(len(piece) + _PIECE_BYTES):
            self._body.append(piece)

    # --- the answer

    def answer_begun(
        self, status: int, headers: tuple[tuple[str, str], ...], size: int | None
    ) -> None:
        """Note the head of the answer; *size* is what it announces of its body."""
        self._status, self._headers = status, headers
        if size is not None and size > self.mirror.options.max_response_bytes:
            self.stop(Life.SKIPPED, Skip.RESPONSE_TOO_LARGE)

    def answer_piece(self, piece: bytes) -> None:
        """Keep one piece of the answer's body, which may be all of it."""
        if self.stopped is not None:
            return
        self._answer_size += len(piece)
        if self._answer_size > self.mirror.options.max_response_bytes:
            self.stop(Life.SKIPPED, Skip.RESPONSE_TOO_LARGE)
        elif self._take(len(piece) + _PIECE_BYTES):
            self._answer.append(piece)

    # --- the whole

    def missing(self) -> Skip | None:
        """Why what was kept of a request whose client has its answer is not enough to mirror."""
        if not self.answer_is_whole:
            return Skip.PRIMARY_FAILED
        return None if self.body_is_whole else Skip.BODY_UNREAD

    def whole(self) -> Sample | Failed:
        """The sample, its pieces joined and the request's body without coding; or why not."""
        sample, body = self.sample, b"".join(self._body)
        if self._codings:
            try:
                body = decoded(body, self._codings, self.mirror.options.max_request_bytes)
            except Undecodable as error:
                return _undecodable(error)
            if not self._take(len(body)):
                return Failed(Life.DROPPED, Drop.BYTES)
        sample.body = body
        sample.answer = Document(self._status, self._headers, b"".join(self._answer))
        self._body, self._answer = [], []
        sample.hold = self.hold
        return sample

    def hold(self, size: int) -> bool:
        """Take room for *size* bytes more, until `release`; whether there is some."""
        has_room = self._room.take(size)
        self._held += size if has_room else 0
        return has_room

    def _take(self, size: int) -> bool:
        if self.stopped is not None:
            return False
        if self.hold(size):
            return True
        self.stop(Life.DROPPED, Drop.BYTES)
        return False


def _undecodable(error: Undecodable) -> Failed:
    if error.reason == CODING:
        return Failed(Life.NOT_COMPARABLE, CODING)
    return Failed(Life.SKIPPED, Skip.BODY_TOO_LARGE)


def _size_of(sample: Sample) -> int:
    """Bytes of the texts that a sample holds on to."""
    headers = sum([len(name) + len(value) for name, value in sample.headers.items()])
    return len(sample.target) + len(sample.key) + headers
