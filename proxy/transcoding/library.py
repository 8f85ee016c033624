"""The files that every installation has: annotations, well-known types, `google.rpc`, validation.

Belongs here: finding such a file by its name. Does not: anything about the files of an API.
The generated modules of the installed packages carry their own descriptors, so that no file is
read.
"""

import re
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto

#: What an operator reads as the origin of a file that no source gave.
INSTALLED_ORIGIN: Final = "the installed google protos"

#: The rules of protovalidate, which come with its library and not as a module of their own.
VALIDATION: Final = "buf/validate/validate.proto"

#: The names that may be looked up, and so the modules that may be imported on a name's behalf.
_LIBRARY_NAME: Final = re.compile(
    r"google/(?:api|cloud|logging|longrunning|protobuf|rpc|type)(?:/[a-z][a-z0-9_]*)+\.proto"
)


def is_library_file(name: str) -> bool:
    """Whether *name* belongs to the files that all APIs share.

    >>> is_library_file("google/api/http.proto"), is_library_file("dns/v1/dns.proto")
    (True, False)
    """
    return name == VALIDATION or _LIBRARY_NAME.fullmatch(name) is not None


def library_file(name: str) -> FileDescriptorProto | None:
    """The installed file of that name, None when there is none.

    >>> library_file("google/api/http.proto").package
    'google.api'
    >>> library_file("google/api/nothing.proto") is None
    True
    """
    if name == VALIDATION:
        return _validation()
    if not is_library_file(name):
        return None
    module_name = name.removesuffix(".proto").replace("/", ".") + "_pb2"
    if not _exists(module_name):
        return None
    proto = FileDescriptorProto()
    import_module(module_name).DESCRIPTOR.CopyToProto(proto)
    return proto


def _validation() -> FileDescriptorProto:
    # Loaded for those alone who validate: it takes a tenth of a second.
    described = import_module("protovalidate").ViolationPb.desc().file.proto.to_binary()
    return FileDescriptorProto.FromString(described)


def _exists(module_name: str) -> bool:
    try:
        return find_spec(module_name) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False
