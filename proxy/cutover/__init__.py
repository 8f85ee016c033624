"""The cutover of routes: which side answers, and when that changes.

Pure: what a decision depends on is an argument, clocks and random sources included. Where what is
decided is kept, and who acts on it, is no matter of this package (`state`, `exchange`).
"""
