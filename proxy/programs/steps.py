"""The programs of a binding as steps of a request: its body before, its answer after.

Belongs here: which body a program is given, and what a failure is to a client. Does not: running a
program (`pool`), when a request comes to the step (`exchange`, `shadow`).
"""

from typing import Final

from proxy.errors import LimitExceeded, RequestError, StatusError, UpstreamError
from proxy.programs.pool import Cause, ProgramFailed, ProgramPool
from proxy.shape.programs import BindingPrograms
from proxy.status import Code, Status
from proxy.transcoding.httpbody import Content

#: Characters of a program's own words that a client is told.
_MAX_TOLD: Final = 200

#: What metrics call the refusal of a body for which there is no room.
_LIMIT: Final = "programs"

#: How the types of bodies begin that are no JSON and are read all the same.
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


class ProgramSteps:
    """Runs the programs of bindings in *pool*."""

    def __init__(self, pool: ProgramPool) -> None:
        self._pool = pool

    def __repr__(self) -> str:
        return f"<ProgramSteps in {self._pool!r}>"

    async def request(
        self, programs: BindingPrograms, body: bytes, content_type: str | None
    ) -> bytes:
        """What a client's body becomes; an empty one, and a form, stays as it is.

        Raises `RequestError`: 400 with the program's words where it fails, 500 where it takes too
        long or ends its process; `LimitExceeded`: 413 for too much, 503 where too many wait.
        """
        if programs.request is None or not body or _is_form(content_type):
            return body
        try:
            return await self._pool.run(programs.request, body)
        except ProgramFailed as failed:
            raise _refusal(failed) from failed

    async def answer(self, programs: BindingPrograms, content: Content) -> Content:
        """What an answer becomes. Raises `UpstreamError` (502) where the program gives nothing.

        It is the upstream's answer that the program cannot take, and the route's clients that go
        without: it counts against the gRPC side, as an answer that is no message does. Where there
        is no room for it, `LimitExceeded` says so: that may be the work of clients of other routes.
        It is no 503, which asks to try again: the call has been made.
        """
        if programs.answer is None:
            return content
        try:
            body = await self._pool.run(programs.answer, content.body)
        except ProgramFailed as failed:
            if failed.cause is Cause.ROOM:
                raise LimitExceeded(failed.cause.value, http_status=502, limit=_LIMIT) from failed
            status = Status(Code.INTERNAL, f"the answer has no form for clients: {failed}")
            raise UpstreamError(status, http_status=502) from failed
        return content._replace(body=body)


def _is_form(content_type: str | None) -> bool:
    return content_type is not None and content_type.lower().lstrip().startswith(_FORMS)


def _refusal(failed: ProgramFailed) -> StatusError:
    match failed.cause:
        case Cause.PROGRAM:
            return RequestError(failed.text[:_MAX_TOLD])
        case Cause.SIZE:
            return LimitExceeded("the body is larger than it may be", http_status=413)
        case Cause.ROOM | Cause.SUSPENDED:
            return LimitExceeded(failed.cause.value, http_status=503, limit=_LIMIT)
    return RequestError("the request could not be read", code=Code.INTERNAL)
