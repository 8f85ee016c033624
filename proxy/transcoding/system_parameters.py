"""System parameters: how a client of Google's APIs asks, in the query, for a form of the answer.

Belongs here: what `$alt` and `$prettyPrint` say. Does not: making an answer in that form
(`transcoding.response`), the parameters that are passed over (`transcoding.query`).

Their names are compared decoded: Google's generated clients write `%24alt`. What a parameter can
say is described at cloud.google.com/apis/docs/system-parameters.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, Generic, NamedTuple, TypeVar

from proxy.errors import RequestError
from proxy.transcoding.protojson.faults import excerpt
from proxy.transcoding.query import MAX_PARAMETERS, decode_pairs


class Asked(NamedTuple):
    """The form that a query asks for.

    *enums_as_numbers* is for what the answer's JSON says of enums, *as_events* for a stream of
    server-sent events, *is_json* for JSON also where an answer is raw, *is_indented* for lines.
    """

    enums_as_numbers: bool = False
    as_events: bool = False
    is_json: bool = False
    is_indented: bool = False


NOTHING: Final = Asked()

_ALT: Final = frozenset({"$alt", "alt"})
_PRETTY: Final = frozenset({"$prettyPrint", "prettyPrint"})
#: The parameters that are honoured.
HONOURED: Final = _ALT | _PRETTY

_ALTS: Final[Mapping[str, Asked]] = MappingProxyType(
    {
        "json": Asked(is_json=True),
        "json;enum-encoding=int": Asked(enums_as_numbers=True, is_json=True),
        "media": NOTHING,
        "sse": Asked(as_events=True),
    }
)
_TRUTHS: Final[Mapping[str, bool]] = MappingProxyType({"true": True, "false": False})

T = TypeVar("T")


class AnswerForm(NamedTuple):
    """What a binding exchanges: a stream of messages, bytes that are no JSON, and JSON.

    *has_media* says that its answers or uploads are bytes, *is_media_always* that its answers are
    even where JSON is asked for.
    """

    streams: bool
    has_media: bool
    is_media_always: bool

    def all(self) -> set[Asked]:
        """All that can be asked and makes a difference."""
        asked = (
            alternative._replace(is_indented=indented)
            for alternative in _ALTS.values()
            for indented in _TRUTHS.values()
        )
        return {self.granted(each) for each in asked} - {NOTHING}

    def granted(self, asked: Asked) -> Asked:
        """*asked* without what means nothing here.

        A stream is not indented: its lines and events end where a line does.
        """
        json = not self.is_media_always
        return Asked(
            asked.enums_as_numbers and json,
            asked.as_events and self.has_events,
            asked.is_json and self.has_media and json,
            asked.is_indented and json and not self.streams,
        )

    @property
    def has_events(self) -> bool:
        """Whether the answer can be a stream of events."""
        return self.streams and not self.has_media


class Variants(Generic[T]):
    """What answers a request in each form that its query can ask for. Immutable.

    *taken* are names that mean fields of the request, which these parameters cannot be then.
    """

    def __init__(
        self,
        form: AnswerForm,
        by_asked: Mapping[Asked, T],
        taken: Collection[str],
        max_parameters: int = MAX_PARAMETERS,
    ) -> None:
        self._form = form
        self._by_asked = by_asked
        self._alt = _ALT.difference(taken)
        self._pretty = _PRETTY.difference(taken)
        self._max_parameters = max_parameters

    def __repr__(self) -> str:
        return f"<Variants {len(self._by_asked)}>"

    def of(self, query: str) -> T | None:
        """What answers a request with the raw *query*; None for what does when nothing is asked.

        Raises `RequestError` for a value that is none, and for a form that the answer cannot have.
        """
        if not query:
            return None
        try:
            pairs = decode_pairs(query, self._max_parameters)
        except RequestError:
            # Whoever reads the fields of the query says what is wrong with it.
            return None
        return self._by_asked.get(self._form.granted(self._asked(pairs)))

    def _asked(self, pairs: Collection[tuple[str, str]]) -> Asked:
        asked = self._alternative({text for name, text in pairs if name in self._alt})
        pretty = {text for name, text in pairs if name in self._pretty}
        return asked._replace(is_indented=_the_one("$prettyPrint", pretty, _TRUTHS, default=False))

    def _alternative(self, texts: Collection[str]) -> Asked:
        asked = _the_one("$alt", texts, _ALTS, default=NOTHING)
        if asked.as_events and not self._form.has_events:
            raise RequestError("$alt: the answer is no stream of messages")
        if "media" in texts and not self._form.has_media:
            raise RequestError("$alt: the answer is no media")
        return asked


def _the_one(name: str, texts: Collection[str], values: Mapping[str, T], *, default: T) -> T:
    """What the one text of a parameter means; both of its names may say the same."""
    if not texts:
        return default
    unknown = [text for text in texts if text not in values]
    if unknown:
        raise RequestError(f"{name} cannot be {excerpt(unknown[0])}")
    if len(texts) > 1:
        raise RequestError(f"{name} is given twice, with different values")
    return next(values[text] for text in texts)
