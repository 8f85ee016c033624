"""A REST-to-gRPC migration proxy: JSON REST in, gRPC out, the legacy host behind it."""

__version__ = "0.1.0"
