"""The parent of several workers: owns the sockets, starts, restarts and drains them.

Belongs here: processes. Does not: what a worker does (`cli` hands that in).
"""
