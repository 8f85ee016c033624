"""The official protobuf conformance suite, run on this package's codec."""
