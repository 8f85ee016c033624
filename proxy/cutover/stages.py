"""The sides that can answer a request, and how far a route has moved between them."""

from enum import StrEnum


class Side(StrEnum):
    """Who answers: the old host or the new backend; `PROXY` when a request is refused here."""

    LEGACY = "legacy"
    GRPC = "grpc"
    PROXY = "proxy"


class Stage(StrEnum):
    """How far a route has moved. The primary in `SHADOW` is legacy, as in `LEGACY`."""

    LEGACY = "legacy"
    SHADOW = "shadow"
    CANARY = "canary"
    GRPC = "grpc"
