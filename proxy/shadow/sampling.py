"""Which requests of a route are mirrored: a share of them, known before a body is read.

Belongs here: the draw. Does not: how many a second there may be (`budget`), what else keeps a
request from being mirrored (`mirrors`).
"""

from collections.abc import Callable
from typing import Final, Self

from proxy.cutover.bucket import BUCKETS, bucket
from proxy.cutover.mirror import MirrorOptions
from proxy.routing.table import Route

#: What makes the buckets of sampling others than those of a canary: whoever is sampled must say
#: nothing about who is answered by gRPC. No group of a canary can be taken for it: it is no text
#: that a configuration holds.
_SALT: Final = "\x01mirror\x01"


class Sampler:
    """Draws *options.basis_points* of the requests: each by itself, or all of a client or none.

    *group* is that of the route's canary, so that the requests of one client to the routes of one
    workflow are sampled together. *random* gives numbers from 0 to 1, without 1.
    """

    __slots__ = ("_basis_points", "_group", "_random", "is_sticky")

    def __init__(self, options: MirrorOptions, group: str, random: Callable[[], float]) -> None:
        self._basis_points = options.basis_points
        self._group = _SALT + group
        self._random = random
        self.is_sticky = options.sticky

    @classmethod
    def of(cls, route: Route, options: MirrorOptions, random: Callable[[], float]) -> Self:
        """The sampler of *route*, whose mirror is *options*."""
        return cls(options, route.name if route.canary is None else route.canary.group, random)

    def __repr__(self) -> str:
        how = "of clients" if self.is_sticky else "of requests"
        return f"<Sampler {self._basis_points / 100:g} % {how}>"

    def draws(self) -> bool:
        """Whether the next request is sampled, whoever sends it."""
        return self._random() * BUCKETS < self._basis_points

    def has(self, key: str) -> bool:
        """Whether the requests of the client with the sticky *key* are sampled.

        A client that is sampled at some share is so at every higher one.
        """
        return bucket(self._group, key) < self._basis_points
