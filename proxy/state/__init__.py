"""The state directory: what operators and the proxy itself have moved, kept across restarts.

Belongs here: files, locks, the audit log. Does not: what a move means (`cutover.moves`).
"""
