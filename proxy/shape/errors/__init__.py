"""Errors in the form that old clients know: presets, and templates of a route's own.

Belongs here: what clients may read of an error to the bytes of an answer, compiled per route. Does
not: what is kept from clients (`transcoding.errorbody`), sending it (`exchange`).
"""
