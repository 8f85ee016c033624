"""Shapes: how a route's legacy JSON differs from ProtoJSON, compiled against the descriptors.

Belongs here: values and pure code that says and makes the legacy form of messages, errors and
answers. Does not: reading the configuration (`config`), sending anything (`exchange`).
"""
