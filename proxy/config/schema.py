"""The configuration as a whole: the top-level keys.

Belongs here: what is read from a file and checked by itself. Does not: checks across sections
(`checks`), per-route values put together (`resolved`).
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.base import NonEmpty, Section
from proxy.config.options import Defaults, Route
from proxy.config.override import Override
from proxy.config.recording import Record
from proxy.config.sections import (
    Admin,
    Connections,
    Debug,
    Drain,
    Forwarding,
    Limits,
    Listen,
    Reload,
    State,
)
from proxy.config.shadow import Evidence, Shadow
from proxy.config.shape import Profile
from proxy.config.upstreams import Upstreams


class DescriptorSource(Section):
    """Where descriptors or HTTP rules come from: one of four kinds."""

    proto_path: NonEmpty | None = Field(
        default=None,
        description="Folder of `.proto` files, compiled at load. Relative to the configuration.",
        examples=["../proto"],
    )
    descriptor_set: NonEmpty | None = Field(
        default=None,
        description="File of `protoc --include_imports --descriptor_set_out` or `buf build`.",
        examples=["api.binpb"],
    )
    reflection: NonEmpty | None = Field(
        default=None, description="gRPC upstream to ask by server reflection.", examples=["dns"]
    )
    service_config: NonEmpty | None = Field(
        default=None,
        description="YAML file of `type: google.api.Service`, for its `http.rules`.",
        examples=["api_rules.yaml"],
    )
    rules: Literal["override", "add"] = Field(
        default="override",
        description=(
            "Only beside `service_config`: whether its rules take the place of the annotations of "
            "the same RPC, or join them."
        ),
        examples=["add"],
    )

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> "DescriptorSource":
        if len(self.model_fields_set - {"rules"}) != 1:
            message = (
                "must have exactly one of proto_path, descriptor_set, reflection, service_config"
            )
            raise PydanticCustomError("source_kind", message)
        if "rules" in self.model_fields_set and self.service_config is None:
            raise PydanticCustomError("source_rules", "has rules without a service_config")
        return self


class Settings(Section):
    """The top-level keys. They may be spread over any number of files, each key in one of them."""

    version: Annotated[int, Field(ge=1, le=1)] = Field(
        description="Version of this format.", examples=[1]
    )
    listen: Listen = Field(default=Listen(), description="Where clients connect.")
    admin: Admin = Field(default=Admin(), description="Where operators connect.")
    descriptors: tuple[DescriptorSource, ...] = Field(
        default=(),
        description="Where descriptors and HTTP rules come from; merged into one pool.",
        examples=[[{"proto_path": "../proto"}]],
    )
    upstreams: Upstreams = Field(
        default=Upstreams(), description="The servers behind the proxy, by name; at least one."
    )
    defaults: Defaults = Field(default=Defaults(), description="Options of all routes.")
    routes: tuple[Route, ...] = Field(
        default=(),
        description="RPCs that differ from `defaults`.",
        examples=[[{"rpc": "dns.v1.RecordService.GetRecord", "stage": "grpc"}]],
    )
    profiles: dict[NonEmpty, Profile] = Field(
        default={},
        description="Shapes by name, for the `shape` of routes.",
        examples=[{"cloud-v4": {"names": "snake"}}],
    )
    override: Override | None = Field(
        default=None, description="Who may pick the side of a request; nobody without it."
    )
    shadow: Shadow = Field(
        default=Shadow(), description="What all mirrors of a process may hold and take."
    )
    evidence: Evidence = Field(
        default=Evidence(), description="Where comparisons are counted, and for how long."
    )
    record: Record | None = Field(
        default=None,
        description="The most that `cutover record` may ask for; without it nothing is recorded.",
        examples=[{"max_exchanges": 500}],
    )
    state: State = Field(default=State(), description="Where operators' moves are kept.")
    reload: Reload = Field(default=Reload(), description="When a changed folder is looked at.")
    limits: Limits = Field(
        default=Limits(), description="What one request may hold, and the process."
    )
    connections: Connections = Field(default=Connections(), description="Client connections.")
    drain: Drain = Field(default=Drain(), description="How the process stops.")
    forwarding: Forwarding = Field(
        default=Forwarding(), description="Whom to believe about the client."
    )
    debug: Debug = Field(default=Debug(), description="Help for people who try things out.")
