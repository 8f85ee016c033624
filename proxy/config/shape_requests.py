"""The keys of a shape about query parameters, form bodies and URLs of old clients.

Belongs here: the keys, each checked by itself. Does not: what they mean for a message, which needs
descriptors (`shape`).
"""

from proxy.config.base import Section


class ShapeRequests(Section):
    """Keys about query parameters, form bodies and URLs of old clients."""
