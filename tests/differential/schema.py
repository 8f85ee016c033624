"""The API of the differential test, compiled once: for both proxies, for the backend, for us.

Belongs here: descriptors and message classes. Does not: what is done with messages.
"""

from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.sources.compiled import compile_set

FOLDER: Final = Path(__file__).parent
SERVICE: Final = "oracle.v1.Oracle"


@cache
def descriptor_set() -> bytes:
    """`oracle.proto` and its imports as a serialized `FileDescriptorSet`."""
    text = (FOLDER / "oracle.proto").read_text(encoding="utf-8")
    return compile_set({"oracle.proto": text}).SerializeToString()


@cache
def pool() -> DescriptorPool:
    """A private pool of the API."""
    made = DescriptorPool()
    for file in FileDescriptorSet.FromString(descriptor_set()).file:
        made.AddSerializedFile(file.SerializeToString())
    return made


def message_class(full_name: str) -> Any:
    """The class of a message type. Its fields are not known to type checkers, hence Any."""
    return GetMessageClass(pool().FindMessageTypeByName(full_name))


def as_json(message: Message) -> Any:
    """A message as ProtoJSON values by protobuf's own printer; its text where that refuses."""
    try:
        return json_format.MessageToDict(message, descriptor_pool=pool())
    except (ValueError, json_format.Error):
        return f"<{message}>"
