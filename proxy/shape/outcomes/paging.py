"""Pages by number, over an API that turns them by tokens or by a number to skip.

Belongs here: which page a request asks for, what goes into its message for that, what an answer
says of its page. Does not: reading page after page (`walk`), the `Link` header (`links`).

A client that gives no page number but a token of the API's turns pages by that, and is left alone.
"""

from base64 import standard_b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_plus

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from proxy.errors import RequestError
from proxy.shape.holes import Text
from proxy.shape.outcomes.asked import Asked, Turn
from proxy.shape.outcomes.fields import FieldAt, field_at, fitting, number_at, text_at
from proxy.shape.outcomes.options import Misfit, PagingOptions
from proxy.transcoding.binding import Binding

#: What `tokens` says where tokens cannot be computed.
WALK: Final = "walk"
#: The names of the holes of a token.
TOKEN_NAMES: Final = frozenset({"offset", "page", "per_page"})
#: Digits of a page's number, and of its size: all that fit into an int32.
_MAX_DIGITS: Final = 9
_INT32_MAX: Final = (1 << 31) - 1
_ENCODERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "plain": bytes,
    "base64": standard_b64encode,
    "base64url": urlsafe_b64encode,
}


class _Fields(NamedTuple):
    """The fields that pages have to do with; *token* and *next* are None with *skip*."""

    size: FieldAt
    token: FieldAt | None
    skip: FieldAt | None
    next: FieldAt | None
    total: FieldAt | None
    items: FieldAt


class Paging:
    """The pages of one binding, compiled."""

    __slots__ = ("_encode", "_token", "fields", "options", "reach", "walks")

    def __init__(self, options: PagingOptions, fields: _Fields) -> None:
        self.options = options
        self.fields = fields
        #: Whether a page can only be had by reading those before it.
        self.walks = fields.token is not None and options.tokens == WALK
        #: The last page that can be asked for, None where all can.
        self.reach = options.first + options.max_calls - 1 if self.walks else None
        self._token = Text.parse(options.tokens)
        self._encode = _ENCODERS[options.encode]

    def __repr__(self) -> str:
        return f"<Paging by {self.options.page} over {self.fields.token or self.fields.skip!r}>"

    @classmethod
    def compile(cls, options: PagingOptions, binding: Binding, *, safe: bool) -> "Paging":
        """Compile pages. *safe* says that a call changes nothing. Raises `Misfit`."""
        paging = cls(options, _fields(options, binding))
        if paging.walks and not safe:
            message = "walk makes calls of its own, which is for routes whose safety is safe"
            raise Misfit(("paging", "tokens"), message)
        return paging

    # --- the request

    def taken(self, asked: Asked) -> None:
        """Take the page's parameters out of the query. Raises `RequestError` naming the one."""
        options, query = self.options, asked.query
        found: dict[str, str] = {}
        rest = query
        if query:
            names = (options.page, options.per_page)
            rest = "&".join(part for part in query.split("&") if not _took(part, names, found))
        page = _number(found, options.page, options.first, options.first, None)
        size = self._size(found)
        asked.query = rest
        asked.per_page_given = options.per_page in found
        if options.page in found or asked.per_page_given or not self._has_own(rest):
            asked.turn = Turn(page, size, options.first)
            self._check(asked.turn)

    def _size(self, found: Mapping[str, str]) -> int:
        options = self.options
        if options.per_page is None:
            return options.default_per_page
        most = None if options.clamps else options.max_per_page
        size = _number(found, options.per_page, options.default_per_page, 1, most)
        return min(size, options.max_per_page)

    def _has_own(self, query: str) -> bool:
        """Whether a client that gave no page asks for one in the API's own way."""
        fields = (self.fields.token, self.fields.skip)
        names = {n for each in fields if each for n in (each.leaf.name, each.leaf.json_name)}
        return any(unquote_plus(part.partition("=")[0]) in names for part in query.split("&"))

    def _check(self, turn: Turn) -> None:
        """Refuse a page that nothing can lead to."""
        if self.reach is not None and turn.page > self.reach:
            raise _out_of_reach(self.options.page, self.reach)
        if turn.skipped > _INT32_MAX:
            raise _out_of_reach(self.options.page, turn.first + _INT32_MAX // turn.per_page)

    def enter(self, asked: Asked, message: Message) -> None:
        """Put size and place of the page into the request's message.

        Raises `RequestError` where the client has named the place in both ways.
        """
        turn, fields = asked.turn, self.fields
        if turn is None:
            return
        place = fields.skip or fields.token
        if place is not None and place.is_set(message):
            text = f"gives the place of the page too, as {place.leaf.name} does"
            raise RequestError(text, field=self.options.page)
        turn = asked.turn = self._sized(asked, turn, message)
        fields.size.put(message, turn.per_page)
        if turn.skipped and fields.skip is not None:
            fields.skip.put(message, turn.skipped)
        elif turn.skipped and fields.token is not None and not self.walks:
            fields.token.put(message, self.token(turn))

    def _sized(self, asked: Asked, turn: Turn, message: Message) -> Turn:
        """The turn with the size of the API's own field, where the client has given that one."""
        own = 0 if asked.per_page_given else int(self.fields.size.raw(message) or 0)
        if own <= 0:
            return turn
        most = self.options.max_per_page
        if own > most and not self.options.clamps:
            name = self.fields.size.leaf.name
            raise RequestError(f"must be a whole number from 1 to {most}", field=name)
        turn = turn._replace(per_page=min(own, most))
        self._check(turn)
        return turn

    def token(self, turn: Turn) -> str:
        """The token of a page, where it can be computed."""
        values = {"offset": turn.skipped, "page": turn.page, "per_page": turn.per_page}
        return self._encode(self._token.fill_text(values.__getitem__).encode()).decode()

    # --- the answer

    def values(self, turn: Turn, message: Message, has_next: bool | None) -> dict[str, Any]:
        """What the answer with *message* says of its page, by the names of holes.

        *has_next* is None where the message itself says whether more follows.
        """
        count, total = len(self.fields.items.raw(message) or ()), self._total(message)
        pages = None if total is None else -(-total // turn.per_page)
        follows = self._follows(turn, message, total) if has_next is None else has_next
        return {
            "@page": turn.page,
            "@per_page": turn.per_page,
            "@count": count,
            "@total": total,
            "@total_pages": pages,
            "@next_page": turn.page + 1 if follows else None,
            "@prev_page": turn.page - 1 if turn.page > turn.first else None,
        }

    def _total(self, message: Message) -> int | None:
        field = self.fields.total
        raw = None if field is None else field.raw(message)
        return None if raw is None else max(0, int(raw))

    def _follows(self, turn: Turn, message: Message, total: int | None) -> bool:
        """Whether there is a page after this one: by the API's token, or else by the total."""
        if self.fields.next is not None:
            return bool(self.fields.next.raw(message))
        if total is None:
            return len(self.fields.items.raw(message) or ()) >= turn.per_page
        return turn.skipped + turn.per_page < total


def _took(part: str, names: tuple[str | None, ...], found: dict[str, str]) -> bool:
    """Whether a part of the query is a parameter of *names*, which is noted in *found*."""
    name, _, value = part.partition("=")
    name = unquote_plus(name)
    if name not in names:
        return False
    if name in found:
        raise RequestError("is given twice", field=name)
    found[name] = unquote_plus(value)
    return True


def _number(
    found: Mapping[str, str], name: str, otherwise: int, least: int, most: int | None
) -> int:
    text = found.get(name)
    if text is None:
        return otherwise
    within = f"from {least} to {most}" if most else f"from {least}"
    is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    if not is_number or int(text) < least or (most is not None and int(text) > most):
        raise RequestError(f"must be a whole number {within}", field=name)
    return int(text)


def _out_of_reach(name: str, last: int) -> RequestError:
    return RequestError(f"is out of reach: no page after {last} can be asked for", field=name)


def _fields(options: PagingOptions, binding: Binding) -> _Fields:
    method = binding.method
    sent, answered = method.input_type, method.output_type
    _check_ways(options)
    skip = options.skip
    size = _at(("paging", "size"), sent, options.size, number_at)
    total = options.total and _at(("paging", "total"), answered, options.total, number_at)
    items = _items(options, answered)
    if skip is not None:
        skipped = _at(("paging", "skip"), sent, skip, number_at)
        return _Fields(size, None, skipped, None, total or None, items)
    token = _at(("paging", "token"), sent, options.token, text_at)
    following = _at(("paging", "next"), answered, options.next, text_at)
    return _Fields(size, token, None, following, total or None, items)


def _at(
    key: tuple[str, ...],
    message: Descriptor,
    path: str,
    find: Callable[[Descriptor, str], FieldAt],
) -> FieldAt:
    return fitting(key, lambda: find(message, path))


def _items(options: PagingOptions, answered: Descriptor) -> FieldAt:
    key = ("paging", "items")
    if options.items is None:
        lists = [each for each in answered.fields if _is_list(each)]
        if len(lists) != 1:
            names = ", ".join(each.name for each in lists) or "none"
            message = f"must name the list of {answered.full_name} that has the elements: {names}"
            raise Misfit(key, message)
        return FieldAt((lists[0],), None)
    path = options.items
    found = fitting(key, lambda: field_at(answered, path))
    if len(found.fields) > 1 or not _is_list(found.leaf):
        raise Misfit(key, f"{path} is no list of {answered.full_name}")
    return found


def _is_list(field: FieldDescriptor) -> bool:
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    return field.is_repeated and not is_map


def _check_ways(options: PagingOptions) -> None:
    """Refuse keys of another way to turn pages than the one that is taken."""
    default = PagingOptions()
    for key in ("tokens", "token", "next") if options.skip is not None else ():
        if getattr(options, key) != getattr(default, key):
            raise Misfit(("paging", key), "does nothing beside paging.skip")
    if options.tokens == WALK and options.encode != default.encode:
        raise Misfit(("paging", "encode"), "does nothing without a text for paging.tokens")
    walks = options.tokens == WALK and options.skip is None
    if not walks and options.max_calls != default.max_calls:
        raise Misfit(("paging", "max_calls"), "does nothing unless paging.tokens is walk")
    if options.default_per_page > options.max_per_page:
        message = f"must not be above max_per_page, which is {options.max_per_page}"
        raise Misfit(("paging", "default_per_page"), message)
    if options.clamps and options.per_page is None:
        raise Misfit(("paging", "above_max"), "does nothing without paging.per_page")
