"""What can be found between an operation of the old API and its binding: values.

Belongs here: the kinds of findings, and what they are about. Does not: finding them (`fields`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from google.protobuf.descriptor import Descriptor

from proxy.inventory.extras import Extras
from proxy.inventory.legacy import Operation, Where
from proxy.inventory.names import Names
from proxy.inventory.schemas import Schemas
from proxy.routing.table import RouteBinding
from proxy.transcoding.binding import Binding


class FindingKind(StrEnum):
    """What was found.

    `NO_FIELD`: the old API has it, and no field of the proto takes it or gives it. `NO_LEGACY`: the
    other way round. `TYPE`: both have it, as JSON of another type. `NOT_PASSED`: a header or cookie
    that does not become metadata. `NO_BODY`: the rule takes no body, and clients send one.
    """

    NO_FIELD = "no_field"
    NO_LEGACY = "no_legacy"
    TYPE = "type"
    NOT_PASSED = "not_passed"
    NO_BODY = "no_body"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that differs. *path* has legacy names, for `NO_LEGACY` proto names."""

    kind: FindingKind
    where: Where
    path: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """An operation with the binding that takes its requests.

    *headers* are those that become metadata, in lower case; *renames* are proto paths by the
    parameters that the shape names for them, *brackets* says that brackets stand for dots.
    """

    operation: Operation
    target: RouteBinding
    names: Names
    headers: Collection[str]
    extras: Extras
    renames: Mapping[str, str]
    brackets: bool
    schemas: Schemas

    @property
    def binding(self) -> Binding:
        """The binding."""
        return self.target.binding

    @property
    def takes(self) -> Descriptor:
        """The request message."""
        return self.binding.method.input_type
