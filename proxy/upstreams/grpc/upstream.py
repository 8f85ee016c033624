"""A gRPC server that we call over grpcio.

Belongs here: what grpcio is given of a target. Does not: the calls (`proxy.upstreams.balanced`).
"""

from collections.abc import Callable

from proxy.errors import UpstreamError
from proxy.upstreams.balanced import BalancedUpstream
from proxy.upstreams.failure import ignore_error
from proxy.upstreams.grpc.line import GrpcLine
from proxy.upstreams.grpc.options import make_credentials, place_of
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.resolving import Resolver, resolver_for
from proxy.upstreams.target import Address, Target, parse_target


class GrpcUpstream(BalancedUpstream):
    """A gRPC server over grpcio; implements `proxy.upstreams.Upstream`.

    *target* is a gRPC name, such as `dns:///host:port` or `host:port`; what we know no way to
    look up, such as `xds:///name`, is left to grpcio. *resolver* stands in for the one that the
    target asks for. *direct* False makes calls by grpcio's public interface only. Raises
    `ConfigError` when a PEM file cannot be read.
    """

    def __init__(
        self,
        target: str,
        options: GrpcOptions | None = None,
        *,
        on_tls_error: Callable[[UpstreamError], None] = ignore_error,
        resolver: Resolver | None = None,
        direct: bool = True,
    ) -> None:
        options = options or GrpcOptions()
        parsed, credentials = _parsed(target), make_credentials(options.tls)

        def open_line(address: Address | None, changed: Callable[[], None] | None) -> GrpcLine:
            place = place_of(target, parsed, address, options.tls)
            return GrpcLine(place, options, credentials, changed, direct=direct)

        if parsed is not None and parsed.needs_resolver:
            resolver = resolver or resolver_for(parsed)
        super().__init__(
            target,
            options,
            open_line,
            addresses=() if parsed is None else parsed.hosts,
            resolver=resolver,
            on_tls_error=on_tls_error,
        )


def _parsed(target: str) -> Target | None:
    """The target, None for one that only grpcio understands."""
    try:
        return parse_target(target)
    except ValueError:
        return None
