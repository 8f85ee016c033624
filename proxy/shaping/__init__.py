"""Shaping: the shape that makes gRPC's answers those of the old host, found from pairs of both."""
