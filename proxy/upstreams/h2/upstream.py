"""A gRPC server that we call over HTTP/2 of our own.

Belongs here: what a line needs of a target. Does not: the calls (`proxy.upstreams.balanced`).
"""

import ssl
from collections.abc import Callable

from proxy.errors import UpstreamError
from proxy.upstreams.balanced import BalancedUpstream
from proxy.upstreams.failure import ignore_error
from proxy.upstreams.h2.line import H2Line
from proxy.upstreams.h2.requests import RequestHeads
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.resolving import Resolver, resolver_for
from proxy.upstreams.target import Address, Target, parse_target
from proxy.upstreams.tls import TlsOptions, client_context


class H2Upstream(BalancedUpstream):
    """A gRPC server over our own HTTP/2; implements `proxy.upstreams.Upstream`.

    *target* is `host:port`, `dns:///host:port`, `dns://server/host:port`, `ipv4:`, `ipv6:` or
    `unix:`; others are a `ValueError`. *resolver* stands in for the one that the target asks for.
    Raises `ConfigError` when a PEM file cannot be read.
    """

    def __init__(
        self,
        target: str,
        options: GrpcOptions | None = None,
        *,
        on_tls_error: Callable[[UpstreamError], None] = ignore_error,
        resolver: Resolver | None = None,
    ) -> None:
        options = options or GrpcOptions()
        parsed, tls = parse_target(target), _tls_context(options.tls)
        named = options.tls.server_name if options.tls else None
        heads = RequestHeads("http" if tls is None else "https", named or parsed.authority)

        def open_line(address: Address | None, changed: Callable[[], None] | None) -> H2Line:
            name = named or _verified_name(parsed, address)
            return H2Line(address or parsed.path, name, options, heads, tls, changed)

        if parsed.needs_resolver:
            resolver = resolver or resolver_for(parsed)
        super().__init__(
            target,
            options,
            open_line,
            addresses=parsed.hosts,
            resolver=resolver,
            on_tls_error=on_tls_error,
        )


def _verified_name(target: Target, address: Address | None) -> str:
    """What a server's certificate must be for: the name, or the address when there is none."""
    if address is None:
        return "localhost"
    return target.hosts[0].host if target.needs_resolver else address.host


def _tls_context(tls: TlsOptions | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = client_context(tls)
    context.set_alpn_protocols(["h2"])
    return context
