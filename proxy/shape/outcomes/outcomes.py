"""All that a route's shape says of an answer beside its JSON, put together for one binding.

Belongs here: the order in which status, headers, entity tag and conditions follow from one another.
Does not: each of them (the other modules of this package), calls and compression (`exchange`).

Both the way of a request and its mirrors go through here, so that what is compared is what clients
get. The order:

1. `ask` before the message is made: it takes the page's parameters out of the query.
2. `enter` after: size and place of the page, and the tag of `If-Match`, go into the message.
3. `walk`, where a page can only be had by reading those before it.
4. `subject` and `values`, which an envelope may show; then the body is made.
5. `answer`: status, headers and entity tag of that body, 304 for a client that has it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from proxy.errors import UpstreamError
from proxy.shape.holes import Text, as_text
from proxy.shape.outcomes.asked import Asked, Client, Replied, Values
from proxy.shape.outcomes.conditions import Matching
from proxy.shape.outcomes.headers import URLS, AnswerHeader, filled
from proxy.shape.outcomes.links import link_value
from proxy.shape.outcomes.names import OF_PAGES, OF_TOTALS, Subject, Value, value_of
from proxy.shape.outcomes.options import (
    OWN_HOST,
    HeaderOptions,
    Misfit,
    OutcomeOptions,
    StatusOptions,
    TagOptions,
)
from proxy.shape.outcomes.paging import Paging
from proxy.shape.outcomes.status import BODILESS, REDIRECTS, StatusOf, compile_status
from proxy.shape.outcomes.tags import digest_tag, known_tag, tag_of, tags_in
from proxy.shape.outcomes.walk import Walk
from proxy.status import Code, Status
from proxy.transcoding.binding import Binding
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson import Codecs

#: The hole that stands for the bytes of the body.
BODY: Final = "@body"
_ETAG: Final = "etag"
_LINK: Final = "link"
#: The HTTP methods of rules that GET and HEAD may come by.
_READ: Final = frozenset({"GET", "HEAD", "*"})
#: Headers that describe a body. An answer without one has none of them (RFC 9110 §15.4.5).
_OF_BODY: Final = frozenset({"content-type", "content-language", "last-modified"})

Headers = tuple[tuple[str, str], ...]


class Whole(NamedTuple):
    """An answer as it goes to a client, before content coding."""

    http_status: int
    headers: Headers
    body: bytes


Given = TypeVar("Given")
Made = TypeVar("Made")


def _always_ok(_subject: Subject) -> int:
    return 200


class _Tag(NamedTuple):
    """What gives the entity tag: the digest of the body where *fill* is None."""

    fill: Callable[[Subject], str | None] | None
    weak: bool


class Outcomes:
    """What becomes of the replies of one binding. Immutable; safe to share between requests."""

    __slots__ = (
        "_base_url",
        "_headers",
        "_link",
        "_matching",
        "_names",
        "_parse",
        "_shown",
        "_status",
        "_tag",
        "binding",
        "paging",
    )

    def __init__(self, binding: Binding, options: OutcomeOptions, parts: "_Parts") -> None:
        self.binding = binding
        self.paging = parts.paging
        self._status = parts.status or _always_ok
        self._headers = parts.headers
        self._shown = parts.shown
        self._tag = parts.tag
        self._matching = parts.matching
        self._base_url = options.base_url
        paging = options.paging
        self._link = paging.link if paging is not None and parts.paging is not None else ()
        self._names = frozenset(
            (*(each.name.lower() for each in self._headers), *((_ETAG,) if parts.tag else ()))
        )
        self._parse: Callable[[bytes], Message] = message_class(
            binding.method.output_type
        ).FromString

    def __repr__(self) -> str:
        return f"<Outcomes of {self.binding.rpc} at {self.binding.template}>"

    @classmethod
    def compile(
        cls,
        binding: Binding,
        options: OutcomeOptions,
        codecs: Codecs | None,
        *,
        safe: bool,
        shown: Iterable[str] = (),
    ) -> "tuple[Outcomes | None, list[Misfit]]":
        """Compile what fits the binding, None where nothing does; and say what does not fit.

        *codecs* give fields their form; without them the result must not be used. *safe* says that
        calls change nothing, *shown* are the names of the envelope that are no fields.
        """
        if binding.cardinality.response_streams or binding.cardinality.request_streams:
            return None, list(_streaming(options, shown))
        fitting = _Fitting(binding, options, codecs)
        parts = fitting.parts(shown, safe=safe)
        return cls(binding, options, parts) if parts else None, fitting.misfits

    # --- the request

    def ask(self, client: Client) -> Asked:
        """What is asked for. Raises `RequestError` for a page that cannot be asked for."""
        asked = Asked(client, client.query)
        if self.paging is not None:
            self.paging.taken(asked)
        return asked

    def enter(self, asked: Asked, message: Message) -> None:
        """Complete the request's message, and keep it. Raises `RequestError`."""
        asked.message = message
        if self.paging is not None:
            self.paging.enter(asked, message)
        if self._matching is not None:
            self._matching.enter(asked, message)

    def walk(self, asked: Asked) -> Walk | None:
        """The way to the page, where it takes more than one call; each walk is for one try."""
        if self.paging is None or not self.paging.walks or asked.turn is None:
            return None
        request = asked.message
        if request is None:
            return None
        copied = type(request)()
        copied.CopyFrom(request)
        return Walk(self.paging, asked.turn, copied, self.binding.method.output_type)

    def failed(self, asked: Asked, error: UpstreamError) -> UpstreamError:
        """What a call that failed says to a client that sent `If-Match` (AIP-154): 412."""
        if not asked.matches or error.status.code is not Code.ABORTED:
            return error
        return UpstreamError(
            error.status, http_status=412, metadata=error.metadata, sent=error.sent
        )

    # --- the answer

    def subject(self, asked: Asked, replied: Replied) -> Subject:
        """What is known of an answer before its body is made. Raises `UpstreamError` (502)."""
        subject = Subject(asked, replied, self._parse, self._origin(asked.client))
        try:
            subject.http_status = self._status(subject)
            if self.paging is not None and asked.turn is not None:
                has_next, turn = replied.has_next, asked.turn
                subject.pages = self.paging.values(turn, subject.message, has_next)
        except DecodeError as error:
            status = Status(Code.INTERNAL, f"the upstream's answer cannot be read: {error}")
            raise UpstreamError(status, http_status=502) from error
        return subject

    def values(self, subject: Subject) -> Values | None:
        """The values that the envelope shows beside fields; None where it shows none."""
        shown = self._shown
        return {name: value(subject) for name, value in shown.items()} if shown else None

    def answer(self, subject: Subject, body: bytes, content_type: str, headers: Headers) -> Whole:
        """The answer with that *body*; *headers* are those that come of metadata."""
        status = subject.http_status
        made = list(self._made(subject))
        kept = [pair for pair in headers if pair[0].lower() not in self._names]
        tag = self._tag_of(subject, body)
        if tag is not None:
            known = self._known(subject, tag)
            made.append((_ETAG, known or tag))
            if known is not None:
                return Whole(304, _without_body((*kept, *made)), b"")
        if status in BODILESS:
            return Whole(status, _without_body((*kept, *made)), b"")
        return Whole(status, (("content-type", content_type), *kept, *made), body)

    def _made(self, subject: Subject) -> Iterator[tuple[str, str]]:
        for header in self._headers:
            value = header.value(subject)
            if value is not None:
                yield header.name, value
        turn = subject.asked.turn
        if self._link and self.paging is not None and turn is not None:
            name, client = self.paging.options.page, subject.asked.client
            link = link_value(
                *(self._link, name, client, turn, subject.pages, subject.origin),
                reach=self.paging.reach,
            )
            if link is not None:
                yield _LINK, link

    def _tag_of(self, subject: Subject, body: bytes) -> str | None:
        """The tag of the representation in this answer; a digest only of what was asked for."""
        if self._tag is None:
            return None
        if self._tag.fill is None:
            read = subject.asked.client.reads and subject.http_status == 200
            return digest_tag(body, weak=self._tag.weak) if read else None
        text = self._tag.fill(subject)
        return None if text is None else tag_of(text, weak=self._tag.weak)

    def _known(self, subject: Subject, tag: str) -> str | None:
        """The tag to tell a client that it has this representation; None when it has not."""
        client = subject.asked.client
        if subject.http_status != 200 or not client.reads:
            return None
        sent = client.headers.getall("if-none-match", ())
        return known_tag(tags_in(sent), tag) if sent else None

    def _origin(self, client: Client) -> str:
        base_url = self._base_url
        return client.origin if base_url == OWN_HOST else base_url or ""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What of the options fits a binding."""

    status: StatusOf | None
    headers: tuple[AnswerHeader, ...]
    tag: _Tag | None
    matching: Matching | None
    paging: Paging | None
    shown: Mapping[str, Value]

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


class _Fitting:
    """Tries what the options say on one binding, and notes what does not fit."""

    def __init__(self, binding: Binding, options: OutcomeOptions, codecs: Codecs | None) -> None:
        self._binding = binding
        self._options = options
        self._codecs = codecs
        self.misfits: list[Misfit] = []

    def parts(self, shown: Iterable[str], *, safe: bool) -> _Parts:
        """What fits; *shown* are the names that the envelope has."""
        options, binding = self._options, self._binding
        paging = self._tried(
            lambda given: Paging.compile(given, binding, safe=safe), options.paging
        )
        pages = frozenset[str]()
        if paging is not None:
            pages = OF_PAGES if paging.options.total is not None else OF_PAGES - OF_TOTALS
        return _Parts(
            status=self._tried(self._status, options.status),
            headers=tuple(self._headers(pages)),
            tag=self._tried(self._tag, options.etag),
            matching=self._tried(lambda given: Matching.compile(given, binding), self._matching()),
            paging=paging,
            shown=dict(self._shown(shown, pages)),
        )

    def _shown(self, names: Iterable[str], pages: Collection[str]) -> Iterator[tuple[str, Value]]:
        """What gives the values of holes in an envelope; those without one are null."""
        for name in names:
            value = self._tried(lambda given: self._value(given, ("answer",), pages=pages), name)
            if value is not None:
                yield name, value

    def _tried(self, make: Callable[[Given], Made], given: Given | None) -> Made | None:
        try:
            return None if given is None else make(given)
        except Misfit as misfit:
            self.misfits.append(misfit)
            return None

    def _status(self, status: StatusOptions) -> StatusOf:
        if status.all & REDIRECTS and not self._leads():
            raise Misfit(("status",), "needs a header Location, for a status that leads elsewhere")
        return compile_status(status, self._binding)

    def _leads(self) -> bool:
        return any(each.name.lower() == "location" for each in self._options.headers)

    def _headers(self, pages: Collection[str]) -> Iterator[AnswerHeader]:
        for options in self._options.headers:
            header = self._tried(lambda given: self._header(given, pages=pages), options)
            if header is not None:
                yield header

    def _header(self, header: HeaderOptions, *, pages: Collection[str]) -> AnswerHeader:
        key, status, paging = ("headers", header.name), self._options.status, self._options.paging
        never = header.on - (status.all if status is not None else {200})
        if never:
            raise Misfit((*key, "on"), f"no answer has the status {min(never)}")
        if header.slashes and header.name.lower() not in URLS:
            raise Misfit((*key, "slashes"), f"does nothing: {header.name} is no URL")
        if header.name.lower() == _LINK and paging is not None and paging.link:
            raise Misfit(key, "is made by paging.link already")
        return AnswerHeader.compile(header, self._binding, self._codecs, pages=pages)

    def _tag(self, etag: TagOptions) -> _Tag:
        key, text = ("etag",), Text.parse(etag.text)
        if etag.quoted and etag.if_match is None:
            raise Misfit(("etag", "quoted"), "does nothing without etag.if_match")
        if tuple(text.names) == (BODY,):
            if self._binding.http_method not in _READ:
                raise Misfit(key, f"{{{BODY}}} is for GET: no other body is what a URL stands for")
            return _Tag(None, etag.weak)
        values = {name: self._value(name, key, pages=()) for name in text.names}
        return _Tag(lambda subject: filled(text, values, as_text, subject), etag.weak)

    def _matching(self) -> TagOptions | None:
        etag = self._options.etag
        return etag if etag is not None and etag.if_match is not None else None

    def _value(self, name: str, key: tuple[str, ...], *, pages: Collection[str]) -> Value:
        return value_of(name, self._binding, self._codecs, pages=pages, key=key)


def _streaming(options: OutcomeOptions, shown: Iterable[str]) -> Iterator[Misfit]:
    """Every key, for an RPC that streams: its status goes out before its messages are there."""
    given = (("status", options.status), ("etag", options.etag), ("paging", options.paging))
    keys = [(name,) for name, value in given if value is not None]
    for key in (*keys, *(("headers", each.name) for each in options.headers)):
        yield Misfit(key, "is not for an RPC that streams")
    for name in shown:
        yield Misfit(("answer",), f"{{{name}}} is not for an RPC that streams")


def _without_body(headers: Headers) -> Headers:
    return tuple(pair for pair in headers if pair[0].lower() not in _OF_BODY)
