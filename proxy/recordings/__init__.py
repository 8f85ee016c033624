"""Recordings: exchanges that were, as values and as files, and what came of replaying them."""
