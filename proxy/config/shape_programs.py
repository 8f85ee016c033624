"""The keys of a shape about programs for what keys cannot say, and checks of requests.

Belongs here: the keys, each checked by itself. Does not: what they mean for a message, which needs
descriptors (`shape`).
"""

from proxy.config.base import Section


class ShapePrograms(Section):
    """Keys about programs for what keys cannot say, and checks of requests."""
