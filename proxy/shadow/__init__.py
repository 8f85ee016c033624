"""Mirrors: requests repeated on the other side, after their answers, and compared."""
