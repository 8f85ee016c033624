"""What descriptors say of an RPC that its cutover depends on: what a second call would do.

Belongs here: reading that off the bindings of an RPC. Does not: what the configuration says
against it (`Config.check_methods`), what follows from it (`cutover.fallback`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from proxy.config.options import Safety
from proxy.config.resolved import MethodFacts
from proxy.transcoding.binding import Binding

#: The field by which a request asks to be checked and not carried out (AIP-163).
VALIDATE_ONLY: Final = "validate_only"

_BY_OPTION: Final[dict[int, Safety]] = {
    MethodOptions.NO_SIDE_EFFECTS: "safe",
    MethodOptions.IDEMPOTENT: "idempotent",
}
#: What the HTTP methods promise (RFC 9110, section 9.2); those that are not here promise nothing.
_BY_HTTP_METHOD: Final[dict[str, Safety]] = {
    "GET": "safe",
    "HEAD": "safe",
    "PUT": "idempotent",
    "DELETE": "idempotent",
}
#: From the one that promises least.
_ORDER: Final[tuple[Safety, ...]] = ("unsafe", "idempotent", "safe")


def by_rpc(bindings: Iterable[Binding]) -> Mapping[str, Sequence[Binding]]:
    """The bindings of every RPC that has one, by its full name."""
    found: defaultdict[str, list[Binding]] = defaultdict(list)
    for binding in bindings:
        found[binding.rpc].append(binding)
    return found


def facts_of(bindings: Mapping[str, Sequence[Binding]]) -> Mapping[str, MethodFacts]:
    """The facts of every RPC that has a binding, by its full name."""
    return {
        rpc: MethodFacts(
            _safety(own), own[0].cardinality.request_streams, _can_validate(own[0].method)
        )
        for rpc, own in bindings.items()
    }


def _safety(bindings: Sequence[Binding]) -> Safety:
    """What the proto promises, or else the least that one of the HTTP methods does."""
    declared = _BY_OPTION.get(bindings[0].method.GetOptions().idempotency_level)
    if declared is not None:
        return declared
    promised = (_BY_HTTP_METHOD.get(binding.http_method, "unsafe") for binding in bindings)
    return min(promised, key=_ORDER.index)


def _can_validate(method: MethodDescriptor) -> bool:
    """Whether a request can ask to be checked only (AIP-163)."""
    field = method.input_type.fields_by_name.get(VALIDATE_ONLY)
    return field is not None and field.type == FieldDescriptor.TYPE_BOOL and not field.is_repeated
