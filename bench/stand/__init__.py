"""The test stand of the benchmarks that put load on real processes.

`zone` makes the requests and the answers, `backend` serves the answers, `cutover` and `envoy`
start the proxies, `load` drives a load generator, `comparison` runs the rounds and turns them
into figures; all of them start processes through `processes`.
"""
