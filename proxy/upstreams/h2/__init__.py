"""gRPC upstreams over an HTTP/2 client of our own, inside the event loop.

The seam is `proxy.upstreams.Upstream`; `upstreams.grpc` is the transport to compare with. From
the bottom up: `frames`, `huffman` and `hpack` are the layout of bytes; `guard`, `stream`,
`sending` and `connection` the protocol without I/O; `heads`, `requests`, `messages` and `calls`
what gRPC makes of it; `keepalive`, `session`, `dialing`, `open_calls` and `channel` run it;
`line` and `upstream` are what is seen from outside.

Does not belong here: grpcio, messages as anything but bytes, and which metadata may pass
(`transcoding.metadata`).
"""

from proxy.upstreams.h2.upstream import H2Upstream
from proxy.upstreams.target import parse_target

__all__ = ["H2Upstream", "parse_target"]
