"""The state directory: what operators and the proxy itself have moved, kept across restarts.

Belongs here: files, locks, the audit log. Does not: what a move means (`cutover.moves`).

All processes that share a directory agree: a change is made under one lock, lands in one atomic
rename, and is announced by a counter in memory that they share. So a directory must be on a local
file system: memory of a file on a network is not shared between hosts.

| file | what it holds |
|---|---|
| `state.json` | the overrides, with the audit entry of the last change |
| `kill` | the kill switch: on while the file is there, or until the end that it names |
| `audit.jsonl`, `audit.1.jsonl`, … | what was changed, the newest file first |
| `accepted` | the digest of a configuration that was taken by force |
| `epoch` | eight bytes, counted up with every change; never to be truncated in use |
| `lock`, `ramp.lock` | held while something is changed; held by the process that leads |
"""
