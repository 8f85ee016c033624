"""Page after page of an API that gives each one's token with the one before.

Belongs here: what to ask for next, and what of the answers is the page. Does not: the calls, and
the time that they may take (`exchange`, `shadow`).

A server may send fewer elements than it was asked for, with a token for more. So elements are
counted, not pages: the client's page is the same, however the server cuts its own.
"""

from typing import Any

from google.protobuf.message import DecodeError, Message

from proxy.errors import RequestError, UpstreamError
from proxy.shape.outcomes.asked import Turn
from proxy.shape.outcomes.paging import Paging
from proxy.status import Code, Status
from proxy.transcoding.descriptors import message_class


class Walk:
    """The way to one page: make a call with `request`, `take` its answer, as long as that says so.

    At most `max_calls` of the options are made. *request* is changed on the way.
    """

    __slots__ = ("_class", "_first", "_left", "_page", "_paging", "_skip", "_turn", "calls")

    def __init__(self, paging: Paging, turn: Turn, request: Message, answer: Any) -> None:
        self._paging = paging
        self._turn = turn
        self._first = request
        self._class = message_class(answer)
        self._skip = turn.skipped
        self._page: Any = None
        self._left = paging.options.max_calls
        #: Answers taken so far.
        self.calls = 0

    def __repr__(self) -> str:
        return f"<Walk to {self._turn.page} after {self.calls} calls>"

    @property
    def request(self) -> bytes:
        """The message of the next call."""
        return self._first.SerializePartialToString()

    def take(self, wire: bytes) -> tuple[bytes, bool] | None:
        """Take an answer; the page, and whether more follows, when it is complete.

        None asks for another call. Raises `RequestError` when there may be no more of them, and
        `UpstreamError` (502) for bytes that are no such message.
        """
        self.calls += 1
        message = self._read(wire)
        name, want = self._paging.fields.items.leaf.name, self._turn.per_page
        found = len(getattr(message, name))
        if self.calls == 1 and not self._skip and found == want:
            return wire, bool(self._next(message))  # The common case: as the server cut it.
        self._add(message, name)
        items, token = getattr(self._page, name), self._next(self._page)
        beyond = len(items) > want
        if beyond:
            # What its token leads to is not what follows this page.
            del items[want:]
            self._set_next(self._page, "")
        if len(items) == want or not token:
            return self._page.SerializePartialToString(), beyond or bool(token)
        if self.calls >= self._left:
            raise self._too_far()
        self._set_token(token)
        return None

    def _add(self, message: Any, name: str) -> None:
        """Let go of what comes before the page, and put what is left behind what is there."""
        items = getattr(message, name)
        passed = min(self._skip, len(items))
        self._skip -= passed
        del items[:passed]
        if self._page is not None and getattr(self._page, name):
            before = getattr(self._page, name)
            before.extend(items)
            del items[:]
            items.extend(before)
        self._page = message

    def _next(self, message: Any) -> str:
        field = self._paging.fields.next
        return "" if field is None else str(field.raw(message) or "")

    def _set_next(self, message: Any, token: str) -> None:
        field = self._paging.fields.next
        if field is not None:
            field.put(message, token)

    def _set_token(self, token: str) -> None:
        field = self._paging.fields.token
        if field is not None:
            field.put(self._first, token)

    def _read(self, wire: bytes) -> Any:
        try:
            return self._class.FromString(wire)
        except DecodeError as error:
            status = Status(Code.INTERNAL, f"the upstream's answer cannot be read: {error}")
            raise UpstreamError(status, http_status=502) from error

    def _too_far(self) -> RequestError:
        text = f"cannot be reached with {self._left} calls of the API"
        return RequestError(text, field=self._paging.options.page, code=Code.OUT_OF_RANGE)
