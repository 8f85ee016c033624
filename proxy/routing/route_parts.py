"""What of a route follows from settings that most routes have in common, made once for all of them.

Belongs here: header policies, streams and manners, by the settings that they follow from. Does not:
what depends on the RPC (`compiled`).
"""

from collections.abc import Callable
from typing import NamedTuple

from proxy.config.resolved_route import ResolvedRoute
from proxy.routing.request_settings import manners
from proxy.routing.table import Manners
from proxy.transcoding.metadata import Headers, HeaderView, Pairs
from proxy.transcoding.metadata_policies import (
    ExposeMetadata,
    ExposeTrailers,
    ForwardHeaders,
    request_metadata,
    response_headers,
    trailer_headers,
)
from proxy.transcoding.streams import StreamChoice


class RouteParts(NamedTuple):
    """Parts of `table.Route`, which says what they are."""

    metadata_of: Callable[[HeaderView], Pairs]
    headers_of: Callable[[Pairs], Headers]
    trailers_of: Callable[[Pairs, HeaderView], Headers]
    streams: StreamChoice
    manners: Manners


class _Settings(NamedTuple):
    """All that the parts follow from."""

    forward: ForwardHeaders
    expose: ExposeMetadata
    trailers: ExposeTrailers
    asked: tuple[str, ...]
    listed: tuple[str, ...]
    stream_format: str
    by_accept: bool
    in_result: bool
    as_json: bool
    manners: Manners


class PartsMaker:
    """Makes the parts of routes, the same for those with the same settings.

    The headers *withheld* never become metadata.
    """

    def __init__(self, withheld: frozenset[str]) -> None:
        self._withheld = withheld
        self._made: dict[_Settings, RouteParts] = {}

    def __repr__(self) -> str:
        return f"<PartsMaker {len(self._made)} made>"

    def of(self, options: ResolvedRoute) -> RouteParts:
        """The parts of a route. Raises `ValueError` for a header that may not be listed."""
        settings = _settings(options)
        found = self._made.get(settings)
        if found is None:
            found = self._made[settings] = self._parts(settings)
        return found

    def _parts(self, by: _Settings) -> RouteParts:
        return RouteParts(
            metadata_of=request_metadata(by.forward, by.asked, withheld=self._withheld),
            headers_of=response_headers(by.expose, by.listed),
            trailers_of=trailer_headers(by.expose, by.trailers, by.listed),
            streams=StreamChoice.compile(
                by.stream_format,
                by_accept=by.by_accept,
                in_result=by.in_result,
                as_json=by.as_json,
            ),
            manners=by.manners,
        )


def _settings(options: ResolvedRoute) -> _Settings:
    rows = options.answers
    return _Settings(
        rows.forward_headers,
        rows.expose_metadata,
        rows.expose_trailers,
        options.request_headers,
        options.response_metadata,
        options.stream_format,
        by_accept=rows.stream_choice == "accept",
        in_result=rows.stream_envelope == "result",
        as_json=rows.stream_content_type == "json",
        manners=manners(options),
    )
