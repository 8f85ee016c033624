"""The example: a DNS API as a legacy REST host and as a gRPC server over the same data."""
