"""Server reflection: against grpcio's own servicer, and against servers that do what they like."""

import asyncio

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import (
    ErrorResponse,
    FileDescriptorResponse,
    ListServiceResponse,
    ServerReflectionResponse,
    ServiceResponse,
)

from proxy.errors import ConfigError, Place
from proxy.sources.reflection import Reflected, reflect
from proxy.transcoding.descriptors import examine_files, merge_files
from proxy.transcoding.rules import resolve
from tests.sources.compiled import compile_files, compile_set
from tests.sources.reflecting import (
    V1,
    V1ALPHA,
    Catalogue,
    EndOfCall,
    Refusal,
    answering,
    described,
    serving,
)

AT = Place("cutover.yaml", 5, 5, "descriptors[2].reflection")
TEXTS = {
    "a.proto": """
    syntax = "proto3";
    package p;
    import "google/api/annotations.proto";
    import "b.proto";
    service S { rpc Call(q.M) returns (q.M) { option (google.api.http).get = "/v1/{name}"; } }
    service T { rpc Call(q.M) returns (q.M); }
    """,
    "b.proto": """
    syntax = "proto3";
    package q;
    import "google/protobuf/timestamp.proto";
    message M { string name = 1; google.protobuf.Timestamp at = 2; }
    service Unlisted { rpc Call(M) returns (M); }
    """,
}
FILES = compile_set(TEXTS).file
OWN = [file for file in FILES if not file.name.startswith("google/")]


async def asked(add, timeout_s: float = 30) -> Reflected:
    async with serving(add) as channel:
        return await reflect(channel, "dns", AT, timeout_s=timeout_s)


async def refusal(add, timeout_s: float = 30) -> str:
    with pytest.raises(ConfigError) as error:
        await asked(add, timeout_s)
    [problem] = error.value.problems
    assert problem.place == AT
    return problem.message.removeprefix("reflection of upstream 'dns': ")


async def test_grpcios_own_servicer_is_read_by_v1alpha():
    names = [health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME]
    found = await asked(lambda server: reflection.enable_server_reflection(names, server))
    assert [service.full_name for service in merge_files(found.files).services()] == [
        "grpc.health.v1.Health"
    ]
    assert found.report == ()


async def test_grpcios_servicer_over_a_private_pool_gives_annotations():
    pool = merge_files(compile_files(TEXTS)).pool
    found = await asked(
        lambda server: reflection.enable_server_reflection(["p.S"], server, pool=pool)
    )
    [binding] = resolve(merge_files(found.files), []).bindings
    assert (binding.rpc, binding.http_method, str(binding.template)) == (
        "p.S.Call",
        "GET",
        "/v1/{name}",
    )
    assert binding.origin == "reflection of dns[a.proto]"


@pytest.mark.parametrize("service", [V1, V1ALPHA])
async def test_both_versions_of_the_protocol_are_spoken(service: str):
    found = await asked(answering(Catalogue(FILES), service=service))
    assert merge_files(found.files).method("p.S.Call") is not None


async def test_v1_is_preferred_and_v1alpha_not_asked():
    old, new = Catalogue(FILES), Catalogue(FILES)

    def add(server: grpc.aio.Server) -> None:
        answering(old, service=V1ALPHA)(server)
        answering(new, service=V1)(server)

    await asked(add)
    assert (bool(new.questions), old.questions) == (True, [])


async def test_files_and_imports_are_asked_for_once():
    catalogue = Catalogue(FILES)
    await asked(answering(catalogue))
    # The file of S describes T as well.
    assert catalogue.questions == [
        "list_services *",
        "file_containing_symbol q.Unlisted",
        "file_containing_symbol p.S",
        "file_by_filename google/api/annotations.proto",
        "file_by_filename google/protobuf/timestamp.proto",
        "file_by_filename google/api/http.proto",
        "file_by_filename google/protobuf/descriptor.proto",
    ]


async def test_files_without_a_listed_service_are_imports():
    found = await asked(answering(Catalogue(FILES, ["p.S", "p.T", f"{V1}"])))
    assert {file.name: file.imported for file in found.files} == {
        "a.proto": False,
        "b.proto": True,
        "google/api/annotations.proto": True,
        "google/api/http.proto": True,
        "google/protobuf/descriptor.proto": True,
        "google/protobuf/timestamp.proto": True,
    }
    assert {file.origin for file in found.files} == {"reflection of dns"}


async def test_googles_files_that_a_server_lacks_are_found_by_the_merge():
    found = await asked(answering(Catalogue(OWN)))
    assert merge_files(found.files).method("p.S.Call") is not None


async def test_other_files_that_a_server_lacks_are_the_merges_problem():
    lacking = Catalogue([file for file in FILES if file.name != "b.proto"])
    found = await asked(answering(lacking))
    assert [str(problem) for problem in examine_files(found.files).problems] == [
        (
            "reflection of dns[a.proto]:5:5: imports 'b.proto', which no descriptor source has"
            " (a descriptor set needs protoc --include_imports)"
        )
    ]


async def test_a_listed_service_without_a_description_is_reported_and_the_rest_served():
    found = await asked(answering(Catalogue(FILES, ["x.Ghost", "p.S"])))
    assert found.report == ("reflection of dns: x.Ghost is listed but not described: not here",)
    assert merge_files(found.files).method("p.S.Call") is not None


async def test_an_error_without_a_text_is_reported_by_its_code():
    def answer(question) -> bytes:
        if question.list_services:
            return listing("x.Ghost").SerializeToString()
        return ServerReflectionResponse(
            error_response=ErrorResponse(error_code=5)
        ).SerializeToString()

    found = await asked(answering(answer))
    assert found.report == ("reflection of dns: x.Ghost is listed but not described: code 5",)


async def test_imports_in_a_circle_end():
    circle = [
        FileDescriptorProto(name="a.proto", dependency=["b.proto"], service=[{"name": "S"}]),
        FileDescriptorProto(name="b.proto", dependency=["a.proto"]),
    ]
    found = await asked(answering(Catalogue(circle)))
    assert [file.name for file in found.files] == ["a.proto", "b.proto"]


def listing(*services: str) -> ServerReflectionResponse:
    names = [ServiceResponse(name=name) for name in services]
    return ServerReflectionResponse(list_services_response=ListServiceResponse(service=names))


def raising(error: Exception):
    def answer(question) -> bytes:
        raise error

    return answer


def after_the_list(data: bytes):
    def answer(question) -> bytes:
        return listing("p.S").SerializeToString() if question.list_services else data

    return answer


def ending_after_the_list(error: Exception):
    def answer(question) -> bytes:
        if question.list_services:
            return listing("p.S").SerializeToString()
        raise error

    return answer


def endless(question) -> bytes:
    """Every file imports 4,000 more."""
    if question.list_services:
        return listing("S").SerializeToString()
    name = question.file_by_filename or "root"
    imports = [f"{name}/{number}" for number in range(4_000)]
    root = [{"name": "S"}] if name == "root" else []
    return described(FileDescriptorProto(name=name, dependency=imports, service=root))


def flooding(question) -> bytes:
    """One answer with more files than any API has."""
    if question.list_services:
        return listing("S").SerializeToString()
    return described(*(FileDescriptorProto(name=str(number)) for number in range(10_001)))


NOT_A_DESCRIPTOR = ServerReflectionResponse(
    file_descriptor_response=FileDescriptorResponse(file_descriptor_proto=[b"\xff\xff"])
).SerializeToString()

BAD = [
    (
        "no list",
        lambda question: ServerReflectionResponse(
            error_response=ErrorResponse(error_code=7, error_message="go away")
        ).SerializeToString(),
        "it does not list its services: go away",
    ),
    (
        "the answer to another question",
        lambda question: NOT_A_DESCRIPTOR,
        "it does not list its services: its answer is to another question",
    ),
    ("no message", lambda question: b"\xff\xff\xff", "an answer is no reflection response"),
    (
        "no file descriptor",
        after_the_list(NOT_A_DESCRIPTOR),
        "an answer holds a file descriptor that is none",
    ),
    (
        "the end before an answer",
        raising(EndOfCall()),
        "the server ended the call before it had answered",
    ),
    (
        "a status",
        raising(Refusal(grpc.StatusCode.PERMISSION_DENIED, "not for you")),
        "PERMISSION_DENIED: not for you",
    ),
    (
        "the end before the last answer",
        ending_after_the_list(EndOfCall()),
        "the server ended the call before it had answered",
    ),
    (
        "a status before the last answer",
        ending_after_the_list(Refusal(grpc.StatusCode.UNIMPLEMENTED, "no symbols here")),
        "UNIMPLEMENTED: no symbols here",
    ),
    ("too many files", flooding, "the server has more than 10000 files"),
]


@pytest.mark.parametrize(
    ("answer", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
async def test_a_server_that_does_not_keep_the_protocol_is_a_problem(answer, message: str):
    assert await refusal(answering(answer)) == message


async def test_a_server_without_reflection_is_a_problem():
    message = await refusal(lambda server: None)
    assert message == "the server has no reflection service, neither v1 nor v1alpha"


async def test_a_server_that_never_answers_is_a_problem():
    waiting = asyncio.Event()

    async def info(questions, context):
        await waiting.wait()
        yield b""

    handlers = {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(info)}
    handler = grpc.method_handlers_generic_handler(V1, handlers)
    message = await refusal(lambda server: server.add_generic_rpc_handlers((handler,)), 0.2)
    assert message == "no answer within 0.2 s"


async def test_a_server_whose_imports_never_end_is_a_problem():
    # Which limit is met first depends on the machine.
    assert await refusal(answering(endless), 0.5) in (
        "no answer within 0.5 s",
        "the server has more than 10000 files",
    )


async def test_a_server_that_sends_too_much_is_a_problem():
    async with serving(answering(endless)) as channel:
        with pytest.raises(ConfigError, match="sent more than 100000 bytes of files"):
            await reflect(channel, "dns", AT, max_bytes=100_000)


async def test_a_server_that_sends_one_file_again_and_again_is_a_problem():
    imports = [f"{number}.proto" for number in range(100)]
    root = FileDescriptorProto(name="root", dependency=imports, service=[{"name": "S"}])
    answer = after_the_list(described(root))
    async with serving(answering(answer)) as channel:
        with pytest.raises(ConfigError, match="sent more than 20000 bytes of files"):
            await reflect(channel, "dns", AT, max_bytes=20_000)


async def test_a_server_that_is_not_there_is_a_problem():
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        with pytest.raises(ConfigError, match=r"reflection of upstream 'dns': UNAVAILABLE: "):
            await reflect(channel, "dns", AT)


async def test_a_server_that_speaks_no_grpc_is_a_problem():
    async def talk(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(ConfigError, match=r"reflection of upstream 'dns': UNAVAILABLE: "):
            await reflect(channel, "dns", AT)
