"""A folder into a snapshot, and settings into upstreams: every problem, and no half of one."""

import asyncio
from itertools import count
from pathlib import Path

import grpc
import pytest
import trustme
from grpc_reflection.v1alpha import reflection

from proxy.cli.composition import attempt_load, load_snapshot
from proxy.cli.upstreams import grpc_options, make_grpc_upstream, make_legacy_upstream
from proxy.errors import ConfigError
from proxy.telemetry.metrics import Metrics
from tests.live.edge import CONFIG, descriptor_set, schema

BARE = CONFIG % ("", "")


async def problems(place: Path, config: str) -> list[str]:
    (place / "cutover.yaml").write_text(config)
    with pytest.raises(ConfigError) as caught:
        await load_snapshot(place, {})
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "edge.binpb").write_bytes(descriptor_set())
    return tmp_path


async def test_a_missing_source_is_told_alone(place: Path):
    """What it would have held is missed all over, and would be told as often."""
    config = BARE.replace("edge.binpb", "none.binpb")
    (problem,) = await problems(place, config)
    assert "none.binpb" in problem
    assert problem.startswith(f"{place / 'cutover.yaml'}:3:")


async def test_problems_of_rules_and_routes_are_told_together(place: Path):
    config = BARE + "- {rpc: edge.v1.Items.Nope}\n- {rpc: edge.v1.Items.Neither}\n"
    found = await problems(place, config)
    assert len(found) == 2
    assert all("has an HTTP rule" in problem for problem in found)


async def test_tls_files_that_cannot_be_read_are_told_at_load(place: Path):
    tls = 'tls: {ca: ca.pem, cert: "c.pem", key: k.pem}'
    config = BARE.replace("plaintext: true", tls)
    legacy = ', legacy: {url: "https://old.test", tls: {ca: old.pem}}'
    config = config.replace('services: ["edge.v1.*"]}', f'services: ["edge.v1.*"]}}{legacy}')
    found = await problems(place, config)
    assert [problem.partition(": ")[2] for problem in found] == [
        "cannot be read: No such file or directory"
    ] * 4
    assert [Path(problem.partition(":")[0]).name for problem in found] == [
        "old.pem",
        "ca.pem",
        "c.pem",
        "k.pem",
    ]


async def test_a_key_of_evidence_that_is_missing_or_short_is_told_at_load(place: Path):
    """None is made in its place: each host would have one of its own, and one client be several."""
    config = BARE + "evidence: {key_file: evidence.key}\n"
    (missing,) = await problems(place, config)
    assert missing.startswith(f"{place / 'cutover.yaml'}:")
    assert missing.endswith("evidence.key: No such file or directory")
    assert not (place / "evidence.key").exists()
    (place / "evidence.key").write_bytes(b"k" * 31)
    (short,) = await problems(place, config)
    assert short.endswith("is no key: 32 to 65536 bytes are one")
    (place / "evidence.key").write_bytes(b"k" * 32)
    assert (await load_snapshot(place, {})).config.settings.evidence.key_file == "evidence.key"


async def test_tls_files_that_cannot_be_used_are_told_at_load(place: Path):
    (place / "ca.pem").write_text("no certificate")
    config = BARE.replace("plaintext: true", "tls: {ca: ca.pem}")
    (problem,) = await problems(place, config)
    assert problem == f"{place / 'ca.pem'}: holds no certificate that can be read"


async def test_reflection_asks_the_upstream_that_it_names(tmp_path: Path):
    server = grpc.aio.server()
    names = ("edge.v1.Items", reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server, pool=schema().pool)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        config = BARE.replace("descriptor_set: edge.binpb", "reflection: items")
        (tmp_path / "cutover.yaml").write_text(config.replace("127.0.0.1:1", f"127.0.0.1:{port}"))
        snapshot = await load_snapshot(tmp_path, {})
    finally:
        await server.stop(None)
    assert len(snapshot.routes) == 13


async def test_files_of_upstreams_are_those_of_the_folder(place: Path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(place / "ca.pem")
    config = BARE.replace("plaintext: true", "tls: {ca: ca.pem, server_name: dns.test}")
    config = config.replace("services:", "retries: false, health: off, services:")
    legacy = ', legacy: {url: "https://old.test", tls: {ca: ca.pem}}'
    config = config.replace('services: ["edge.v1.*"]}', f'services: ["edge.v1.*"]}}{legacy}')
    (place / "cutover.yaml").write_text(config)
    upstreams = (await load_snapshot(place, {})).config.settings.upstreams
    options = grpc_options(upstreams.grpc["items"], place)
    assert options.tls is not None
    assert (options.tls.ca, options.tls.server_name) == (place / "ca.pem", "dns.test")
    assert options.retry is None
    assert not options.watch_health
    metrics = Metrics()
    grpc_upstream = make_grpc_upstream("items", upstreams.grpc["items"], place, metrics)
    assert upstreams.legacy is not None
    legacy_upstream = make_legacy_upstream(upstreams.legacy, place, metrics)
    await asyncio.gather(grpc_upstream.close(), legacy_upstream.close())


async def test_no_snapshot_is_made_of_two_versions(place: Path):
    """The files change while the descriptors are read; the next pass reads them all again."""
    (place / "cutover.yaml").write_text(BARE)
    changes = iter(("# 2\n", "# 3\n"))

    def breathe() -> None:
        if (more := next(changes, None)) is not None:
            (place / "cutover.yaml").write_text(BARE + more)

    attempt = await attempt_load(place, {}, breathe=breathe)
    assert attempt.snapshot is not None
    assert attempt.snapshot.fingerprint == attempt.inputs.fingerprint() == attempt.fingerprint


async def test_a_folder_that_never_rests_is_refused(place: Path):
    (place / "cutover.yaml").write_text(BARE)
    changes = count()

    def breathe() -> None:
        (place / "cutover.yaml").write_text(f"{BARE}# {next(changes)}\n")

    attempt = await attempt_load(place, {}, breathe=breathe)
    assert attempt.snapshot is None
    assert [problem.message for problem in attempt.problems] == [
        "changes faster than it can be read"
    ]


async def test_a_folder_that_is_gone_is_told_and_looked_for(place: Path):
    attempt = await attempt_load(place / "gone", {})
    assert "cannot be read as a folder" in str(attempt.problems[0])
    (place / "gone").mkdir()
    assert attempt.inputs.fingerprint() != attempt.fingerprint


async def test_secrets_that_cannot_be_read_are_told_with_what_else_is_wrong(place: Path):
    (place / "cutover.yaml").write_text(
        BARE.replace("edge.binpb", "none.binpb") + "admin: {token_file: none.token}\n"
    )
    attempt = await attempt_load(place, {})
    assert len(attempt.problems) == 2
    assert place / "none.token" in attempt.inputs.files


async def test_descriptors_that_have_not_changed_are_not_read_again(place: Path):
    (place / "cutover.yaml").write_text(BARE)
    first = await attempt_load(place, {})
    assert first.schema is not None
    (place / "cutover.yaml").write_text(BARE + "# 2\n")
    second = await attempt_load(place, {}, first)
    assert second.schema is first.schema
    assert second.snapshot is not None
    (place / "edge.binpb").write_bytes(descriptor_set() + descriptor_set())
    third = await attempt_load(place, {}, second)
    assert third.snapshot is not None
    assert third.schema is not first.schema
    (place / "edge.binpb").write_bytes(b"nonsense")
    bad = await attempt_load(place, {}, third)
    assert bad.snapshot is None
    assert bad.schema is not third.schema
