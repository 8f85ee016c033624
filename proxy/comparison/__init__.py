"""Comparison: two answers to one request, and how they differ, with the descriptor in hand."""
