"""The keys of a shape about the bodies of errors.

Belongs here: the keys, each checked by itself. Does not: what they mean for a message, which needs
descriptors (`shape`).
"""

from proxy.config.base import Section


class ShapeErrors(Section):
    """Keys about the bodies of errors."""
