"""The keys of a shape about status, headers, entity tags and pages of answers.

Belongs here: the keys, each checked by itself. Does not: what they mean for a message, which needs
descriptors (`shape`).
"""

from proxy.config.base import Section


class ShapeOutcomes(Section):
    """Keys about status, headers, entity tags and pages of answers."""
