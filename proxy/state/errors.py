"""What can go wrong with the state directory."""

from proxy.errors import ProxyError


class StateError(ProxyError):
    """The state cannot be read or kept; nothing was changed. The text names the file."""


class NotRecorded(StateError):
    """The kill switch was turned on and counts, but could not be recorded."""


class RevisionConflict(StateError):
    """Somebody has changed the state since it was looked at.

    *revision* is what it is at now.
    """

    def __init__(self, expected: int, revision: int) -> None:
        super().__init__(f"the state is at revision {revision} by now, not at {expected}")
        self.revision = revision
