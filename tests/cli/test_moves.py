"""The commands that move routes, against a running admin port."""

import json
import socket
from pathlib import Path

import pytest

from tests.admin.stand import TOKEN
from tests.cli.operating import Shell, invoke, write_operated
from tests.live.wire import LegacyScript, legacy_of

WHY = ("--reason", "a test", "--who", "ann")


@pytest.mark.parametrize(
    ("arguments", "change"),
    [
        (("percent", "list-items", "12.34"), "list-items: canary 25 % -> canary 12.34 %"),
        (("percent", "list-items", "0"), "list-items: canary 25 % -> canary 0 %"),
        (("stage", "list-items", "grpc"), "list-items: canary 25 % -> grpc"),
        (("promote", "delete-item"), "delete-item: canary 1 % -> canary 5 %"),
        (("pause", "delete-item"), "delete-item: canary 1 % -> canary 1 %, paused"),
        (("rollback", "list-items"), "list-items: canary 25 % -> rolled back to legacy"),
    ],
)
async def test_a_move_says_what_it_did(shell: Shell, arguments: tuple[str, ...], change: str):
    result = await shell.run(*arguments, *WHY)
    (entry,) = shell.stand.control.state.read_audit(10)
    assert result.stdout == f"{change} (revision 1, audit {entry.id})\n"
    assert result.stderr == ""
    assert (entry.who, entry.why) == ("ann", "a test")


async def test_a_move_can_be_told_to_a_script(shell: Shell):
    result = await shell.run("rollback", "list-items", *WHY, "--json")
    told = json.loads(result.stdout)
    assert set(told) == {"audit_id", "revision", "change", "durable", "warning"}
    assert (told["revision"], told["durable"], told["warning"]) == (1, True, None)


@pytest.mark.parametrize(("ttl", "ttl_s"), [("90s", 90.0), ("1.5h", 5400.0), ("30m", 1800.0)])
async def test_a_move_can_have_an_end(shell: Shell, ttl: str, ttl_s: float):
    await shell.run("percent", "list-items", "1", *WHY, "--ttl", ttl)
    (entry,) = shell.stand.control.state.read_audit(10)
    assert entry.ttl_s == ttl_s


@pytest.mark.parametrize(
    "arguments",
    [
        ("percent", "list-items", "1"),
        ("percent", "list-items", "one", *WHY),
        ("percent", "list-items", "1", *WHY, "--ttl", "60"),
        ("percent", "list-items", "1", *WHY, "--ttl", "-1s"),
        ("percent", "list-items", "1", *WHY, "--ttl", "soon"),
        ("stage", "list-items", "grcp", *WHY),
        ("rollback", *WHY),
        ("rollback", "list-items", *WHY, "--if-revision", "x"),
        ("rollback", "list-items", *WHY, "--admin", "localhost:9901"),
        ("rollback", "list-items", *WHY, "--admin", "http://localhost:port"),
        ("rollback", "list-items", *WHY, "--admin", "http://localhost:99999"),
        ("rollback", "list-items", *WHY, "--admin", "http://"),
        ("rollback", "list-items", *WHY, "--admin", "http://host/?query"),
        ("rollback", "list-items", *WHY, "--admin", "http://host\x01"),
        ("rollback", "list-items", *WHY, "--token-file", "/no/such/file"),
    ],
)
async def test_wrong_use_is_2_and_moves_nothing(shell: Shell, arguments: tuple[str, ...]):
    result = await shell.run(*arguments, code=2)
    assert "Error:" in result.stderr
    assert shell.stand.control.overrides.revision == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("percent", "list-items", "101", *WHY), "from 0 to 100"),
        (("percent", "list-items", "nan", *WHY), "percent must be a number"),
        (("percent", "list-items", "1.001", *WHY), "steps of 0.01"),
        (("percent", "list-items", "1", *WHY, "--ttl", "0s"), "a ttl must be longer than 0"),
        (("rollback", "old-item", *WHY), "nothing to roll back: old-item is legacy"),
        (("rollback", "list-items", *WHY, "--if-revision", "7"), "at revision 0 by now, not at 7"),
        (("rollback", "list-items", "--reason", " "), "needs a reason"),
        (("rollback", "list-items", "--reason", "r", "--who", "system"), "the proxy's own"),
        (("rollback", "nothing", *WHY), "there is no route 'nothing'"),
        (("rollback", "a/b", *WHY), "there is no route 'a/b'"),
        (("rollback", "a:b", *WHY), "there is no route 'a:b'"),
        (("rollback", "?x=%2e", *WHY), "there is no route '?x=%2e'"),
        (("rollback", "..", *WHY), "there is no route '..'"),
    ],
)
async def test_a_refusal_is_1_with_its_words(shell: Shell, arguments: tuple[str, ...], told: str):
    result = await shell.run(*arguments, code=1)
    assert told in result.stderr
    assert (result.stdout, shell.stand.control.overrides.revision) == ("", 0)


async def test_nobody_at_the_port_is_3(shell: Shell, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    folder = write_operated(tmp_path / "elsewhere", str(port))
    result = invoke(["rollback", "list-items", *WHY, "-c", str(folder)])
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"no answer from the admin port at http://127.0.0.1:{port}" in result.stderr


async def test_the_port_and_the_token_can_be_given_without_a_configuration(shell: Shell):
    given = ("--admin", f"{shell.stand.url}/", "--token-file", str(shell.folder / "admin.token"))
    await shell.run("rollback", "list-items", *WHY, *given, configured=False)
    assert shell.stand.control.overrides.revision == 1


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"two words", b"a\nb", "é".encode()])
async def test_a_file_that_holds_no_token_is_not_sent(shell: Shell, content: bytes, tmp_path: Path):
    (tmp_path / "token").write_bytes(content)
    given = ("--token-file", str(tmp_path / "token"))
    result = await shell.run("rollback", "list-items", *WHY, *given, code=2)
    assert "holds no token" in result.stderr


async def test_another_token_is_refused(shell: Shell, tmp_path: Path):
    (tmp_path / "token").write_text("another-token-of-25-chars")
    given = ("--token-file", str(tmp_path / "token"))
    result = await shell.run("rollback", "list-items", *WHY, *given, code=1)
    assert "a bearer token is needed" in result.stderr
    assert TOKEN not in result.output


async def test_a_state_that_a_restart_forgets_is_noted(shell: Shell):
    shell.stand.control.state.durable = False
    result = await shell.run("rollback", "list-items", *WHY)
    assert "a restart forgets this" in result.stderr


# --- reload


async def test_a_reload_tells_its_result(shell: Shell):
    shell.stand.reload_result |= {"losses": ["the route x"]}
    result = await shell.run("reload", "--force", *WHY)
    assert result.stdout == "digest d1: applied\nclients lose: the route x\n"
    assert shell.stand.reloads == [{"force": True, "who": "ann", "reason": "a test"}]


async def test_a_refused_reload_names_every_problem_with_its_place(shell: Shell):
    problem = {"place": "a.yaml:1:2", "message": "bad"}
    shell.stand.reload_result |= {
        "result": "refused",
        "problems": [problem],
        "losses": ["the route x"],
    }
    result = await shell.run("reload", code=1)
    assert result.stderr == (
        "the configuration was refused\na.yaml:1:2: bad\nclients lose: the route x\n"
    )


# --- the client


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>", "answered 200 without JSON"),
        (b"[]", "answered 200 with JSON that is no object"),
    ],
)
async def test_somebody_elses_server_at_the_address_is_told(shell: Shell, body: bytes, told: str):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with legacy_of(LegacyScript(answer)) as other:
        result = await shell.run("rollback", "list-items", *WHY, "--admin", other.url, code=1)
    assert told in result.stderr


async def test_what_speaks_no_http_does_not_answer(shell: Shell):
    async with legacy_of(LegacyScript(b"SSH-2.0-x\r\n\r\n")) as other:
        result = await shell.run("rollback", "list-items", *WHY, "--admin", other.url, code=3)
    assert "no answer" in result.stderr


async def test_a_path_before_the_admin_port_is_kept(shell: Shell):
    """As behind a gateway that has many of them."""
    answer = b'HTTP/1.1 404 Not Found\r\nContent-Length: 14\r\n\r\n{"error": "x"}'
    async with legacy_of(LegacyScript(answer)) as gateway:
        url = f"{gateway.url}/proxies/one/"
        result = await shell.run("status", "--admin", url, code=1)
    assert result.stderr == "x\n"
    assert gateway.heard[0].line == "GET /proxies/one/admin/v1/status HTTP/1.1"
