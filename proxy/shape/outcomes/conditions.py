"""`If-Match` on its way into the call: only the API can compare and write in one step.

Belongs here: one entity tag into the request's message, or into metadata. Does not: `If-None-Match`
of reads, which needs the answer (`outcomes`).

To ask for the tag first and then to write would be a race: between the two anybody may write. So a
condition is passed on to the API, which compares (AIP-154) and answers ABORTED when it does not
hold, or is refused here when it never can hold.
"""

from google.protobuf.message import Message

from proxy.errors import RequestError
from proxy.shape.outcomes.asked import Asked
from proxy.shape.outcomes.fields import FieldAt, fitting, text_at
from proxy.shape.outcomes.names import METADATA
from proxy.shape.outcomes.options import Misfit, TagOptions
from proxy.shape.outcomes.tags import ANY, is_weak, plain, tags_in
from proxy.status import Code
from proxy.transcoding.binding import Binding


class Matching:
    """Where the tag of `If-Match` goes: into a field, or into the metadata *key*."""

    __slots__ = ("_field", "_key", "_path", "_quoted")

    def __init__(self, field: FieldAt | None, key: str, options: TagOptions) -> None:
        self._field = field
        self._key = key
        self._path = options.if_match or ""
        self._quoted = options.quoted

    def __repr__(self) -> str:
        return f"<Matching into {self._path}>"

    @classmethod
    def compile(cls, options: TagOptions, binding: Binding) -> "Matching":
        """Compile the way of `If-Match`. Raises `Misfit`."""
        where, target = ("etag", "if_match"), options.if_match or ""
        if binding.http_method in ("GET", "HEAD"):
            raise Misfit(where, f"does nothing for {binding.http_method}, which changes nothing")
        if options.weak:
            raise Misfit(where, "never holds for the weak tags of etag.weak")
        if target.startswith(METADATA):
            return cls(None, target.removeprefix(METADATA).lower(), options)
        field = fitting(where, lambda: text_at(binding.method.input_type, target))
        return cls(field, "", options)

    def enter(self, asked: Asked, message: Message) -> None:
        """Pass the condition of a request on, if it has one. Raises `RequestError`.

        `*` asks for no more than that the thing is there, which writing to it does anyway.
        """
        sent = asked.client.headers.getall("if-match", ())
        tags = tags_in(sent) if sent else [ANY]
        if tags == [ANY] or asked.client.reads:
            return
        value = _only(tags)
        asked.matches = True
        value = value if self._quoted else value[1:-1]
        if self._field is None:
            asked.metadata = ((self._key, value),)
        else:
            self._put(self._field, message, value)

    def _put(self, field: FieldAt, message: Message, value: str) -> None:
        if field.is_set(message) and field.raw(message) != value:
            raise RequestError("the request gives another value than If-Match", field=self._path)
        field.put(message, value)


def _only(tags: list[str]) -> str:
    """The tag for which a condition holds. Raises `RequestError`: no field can hold two."""
    if not tags:
        raise RequestError("the If-Match header is no list of entity tags")
    strong = [tag for tag in tags if not is_weak(tag)]
    if not strong:
        text = "If-Match never holds for a weak entity tag"
        raise RequestError(text, code=Code.FAILED_PRECONDITION, http_status=412)
    if len(strong) > 1:
        raise RequestError("If-Match can be passed on with one entity tag only")
    return plain(strong[0])
