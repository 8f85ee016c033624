"""Clients that Google's own generator makes, unmodified, through the proxy."""
