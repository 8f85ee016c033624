"""The example: a DNS API as a legacy REST host and as a gRPC server over the same data.

It stands outside the proxy: nothing here imports the proxy, and only the command line imports
this. The demo, the tests and the documents use it.

| module | what it holds |
|---|---|
| `files` | where the .proto files and the mappings are |
| `model`, `checks`, `zonefile`, `store`, `seed` | the data and its rules, without any protocol |
| `documents`, `reading`, `replies` | the data in the old JSON, written and read by hand |
| `legacy` | the REST host |
| `schema`, `messages`, `server` | the data as protobuf messages, and the gRPC server |
| `serving` | running either server as a process of its own |
| `expect`, `steps`, `walk` | the scripted walk through the proxy |
"""
