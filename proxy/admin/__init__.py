"""The admin port: health, metrics, routes and the configuration; and, by token, changes.

It has a listener of its own, on loopback unless the configuration says otherwise. What it shows
holds no secrets; what it changes needs a bearer token, and is only changed by POST.
"""

from proxy.admin.operations import Operations
from proxy.admin.reads import describe_routes
from proxy.admin.server import Admin

__all__ = ["Admin", "Operations", "describe_routes"]
