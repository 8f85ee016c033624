"""What can go wrong with the evidence store. None of it reaches a request."""

from proxy.errors import ProxyError


class EvidenceError(ProxyError):
    """The evidence cannot be read or kept now; it may be possible later. Nothing was changed."""


class EvidenceRefused(EvidenceError):
    """The evidence will never be taken as it is; to try again is of no use."""


class NewerSchema(EvidenceError):
    """A later version has written the evidence; this one must not touch it."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the evidence has schema {found}, and this version knows {known}: start the version"
            " that wrote it, or configure another place for the evidence"
        )
