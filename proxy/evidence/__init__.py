"""The evidence store: what was compared, kept and counted for all processes of a service."""
