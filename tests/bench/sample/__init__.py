"""A package of benchmarks that measure nothing, for the harness's own tests."""
