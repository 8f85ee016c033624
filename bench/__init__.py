"""Benchmarks: `./run bench [NAME...] [--json]`.

Every module that lies directly in this package is one benchmark of the same name: it has
`run() -> list[Figure]` (plain or coroutine), and may have `table(figures)` for a table of its
own. `figures` and `__main__` are the harness; what several benchmarks share lives in `stand`.
Nothing in here is imported by the product.
"""
