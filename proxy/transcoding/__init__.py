"""HTTP and JSON to protobuf messages and back: bytes and values, no I/O, no clock."""
