"""The section of the override header, with which a test picks the side that answers.

Belongs here: its keys and which header it may be. Does not: reading its secret's file.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.base import NonEmpty, Section
from proxy.config.canary import header_name
from proxy.transcoding.metadata import is_denied

#: The fewest characters of a secret or token: 16 random ones cannot be found by trying.
MIN_SECRET_CHARACTERS: Final = 16
_SECRET: Final = re.compile(r"[!-~]+")

#: Headers that mean something to the servers behind, which would miss them.
_TAKEN: Final = frozenset({"accept", "accept-language", "authorization", "cookie", "forwarded"})


def secret_fault(secret: str) -> str | None:
    """What is wrong with a secret or token, None when nothing is.

    >>> secret_fault("hush")
    'has fewer than 16 characters'
    """
    if not _SECRET.fullmatch(secret):
        return "must be visible ASCII characters without spaces" if secret else "is empty"
    if len(secret) < MIN_SECRET_CHARACTERS:
        return f"has fewer than {MIN_SECRET_CHARACTERS} characters"
    return None


def secret_text(secret: str) -> str:
    """A secret that is good enough; pydantic turns the error into its own."""
    fault = secret_fault(secret)
    if fault is not None:
        raise PydanticCustomError("secret", "{fault}", {"fault": fault})
    return secret


def own_header(name: str) -> str:
    """A header's name in lower case, of one that means nothing to anybody else."""
    key = header_name(name)
    if is_denied(key) or key in _TAKEN:
        message = "must not be a header with a meaning of its own"
        raise PydanticCustomError("override_header", message)
    return key


class Override(Section):
    """The header by which whoever knows the secret picks the side: `legacy SECRET`, `grpc SECRET`.

    It works on every mapped route, and no server behind ever sees it.
    """

    header: Annotated[str, AfterValidator(own_header)] = Field(
        default="x-cutover-override",
        description="Its name; case does not matter. No route may pass it on.",
        examples=["x-cutover-override"],
    )
    secret: Annotated[str, AfterValidator(secret_text)] | None = Field(
        default=None,
        repr=False,
        description="The secret, at least 16 visible characters. From the environment only.",
        examples=["${OVERRIDE_SECRET}"],
    )
    secret_file: NonEmpty | None = Field(
        default=None,
        description="File with the secret, in place of `secret`.",
        examples=["/etc/cutover/override.secret"],
    )

    @model_validator(mode="after")
    def _exactly_one_secret(self) -> "Override":
        if (self.secret is None) == (self.secret_file is None):
            raise PydanticCustomError(
                "one_secret", "must have exactly one of secret and secret_file"
            )
        return self
