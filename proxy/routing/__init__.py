"""Which route a request belongs to: tries and tables, built once, then only read."""
