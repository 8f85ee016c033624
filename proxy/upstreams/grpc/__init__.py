"""gRPC upstreams over grpcio's asyncio stack. The seam is `proxy.upstreams.Upstream`.

Belongs here: channels, calls, the translation of every grpcio failure. Does not:
messages as anything but bytes, and which metadata may pass (`transcoding.metadata`).

One event loop per process, and no fork once a channel exists: grpcio supports neither.
"""

from proxy.upstreams.grpc.upstream import GrpcUpstream

__all__ = ["GrpcUpstream"]
