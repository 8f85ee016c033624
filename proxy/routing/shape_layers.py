"""Where the shape of a route is written: its entry, its profile, `defaults`.

Belongs here: the places, and which counts first. Does not: what a shape says.
"""

from collections.abc import Iterator

from proxy.config.resolved import Config
from proxy.config.shape import Profile
from proxy.config.tree import Location


def shape_layers(config: Config, rpc: str) -> Iterator[tuple[Location, Profile]]:
    """The places in which the shape of an RPC is written, the first of which counts most.

    Nothing for an entry that has switched its shape off.
    """
    settings = config.settings
    defaults = settings.defaults.shape
    profile = None if defaults is None else defaults.profile
    for index, route in enumerate(settings.routes):
        if route.rpc == rpc and "shape" in route.model_fields_set:
            if route.shape is None:
                return
            yield ("routes", index, "shape"), route.shape
            profile = route.shape.profile or profile
    if profile is not None and profile in settings.profiles:
        yield ("profiles", profile), settings.profiles[profile]
    if defaults is not None:
        yield ("defaults", "shape"), defaults
