"""Checks of profiles and who names them.

Belongs here: what the files alone show. Does not: what needs descriptors.
"""

from collections.abc import Iterator
from typing import Final

from proxy.config.draft import Check, Draft, Finding
from proxy.config.naming import did_you_mean


def _profiles_are_known(draft: Draft) -> Iterator[Finding]:
    profiles = draft.settings.profiles
    for location, owner in draft.owners():
        name = None if owner.shape is None else owner.shape.profile
        if name is not None and name not in profiles:
            message = f"there is no profile '{name}'{did_you_mean(name, profiles)}"
            yield (*location, "shape", "profile"), message


CHECKS: Final[tuple[Check, ...]] = ((frozenset({"defaults", "profiles"}), _profiles_are_known),)
