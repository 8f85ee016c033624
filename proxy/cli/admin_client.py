"""The command line's way to a running proxy: its admin port, found through the configuration.

Belongs here: finding the port and the token, asking, telling what went wrong. Does not: what a
command asks for.
"""

import http.client
import json
import os
import sys
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from socket import gethostname
from typing import Any, Final
from urllib.parse import urlsplit

import click
import orjson

from proxy.cli.options import EXIT_CANNOT_START, EXIT_PROBLEMS, config_or_exit
from proxy.gate.judgement import GateVerdict

#: Seconds that the admin port may take; a reload of a large folder is the slowest.
_TIMEOUT_S: Final = 60.0
#: Exit code when a gate cannot say yet.
_TOO_EARLY: Final = 2
#: Statuses from here on refuse.
_REFUSED: Final = 400
_SCHEMES: Final[dict[str, type[http.client.HTTPConnection]]] = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,
}


class Refused(Exception):
    """The admin port said no, in words; *verdict* is a gate's, if it was a gate that refused."""

    def __init__(self, words: str, verdict: str | None = None) -> None:
        super().__init__(words)
        self.verdict = verdict


class Unreachable(Exception):
    """Nobody answers at the admin address."""


@dataclass(frozen=True, slots=True)
class AdminClient:
    """Asks the admin port at *url*, with *token* when there is one."""

    url: str
    token: str | None

    def get(self, path: str) -> dict[str, Any]:
        """Read something. Raises `Refused`, `Unreachable`."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change something. Raises `Refused`, `Unreachable`."""
        return self._ask("POST", path, orjson.dumps(body))

    def lines(self, path: str, body: Mapping[str, Any]) -> Generator[bytes, None, None]:
        """Ask for an answer that comes line by line, for as long as there are lines.

        Raises `Refused`, `Unreachable`. To stop taking them is to leave.
        """
        connection = self._connection()
        try:
            response = self._begin(connection, "POST", path, orjson.dumps(body))
            if response.status >= _REFUSED:
                _read(response.status, response.read())
            yield from response
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"no answer from the admin port at {self.url}: {error}") from error
        finally:
            connection.close()

    def _ask(self, http_method: str, path: str, body: bytes | None) -> dict[str, Any]:
        connection = self._connection()
        try:
            response = self._begin(connection, http_method, path, body)
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"no answer from the admin port at {self.url}: {error}") from error
        finally:
            connection.close()
        return _read(response.status, text)

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        made = _SCHEMES[parts.scheme]
        return made(str(parts.hostname), parts.port, timeout=_TIMEOUT_S)

    def _begin(
        self,
        connection: http.client.HTTPConnection,
        http_method: str,
        path: str,
        body: bytes | None,
    ) -> http.client.HTTPResponse:
        """Send a request, and read the head of its answer."""
        headers = {"Content-Type": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        target = urlsplit(self.url).path.rstrip("/") + path
        connection.request(http_method, target, body=body, headers=headers)
        return connection.getresponse()


def _read(status: int, text: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise Refused(f"the admin port answered {status} without JSON") from error
    if not isinstance(answer, dict):
        raise Refused(f"the admin port answered {status} with JSON that is no object")
    if status >= _REFUSED:
        raise Refused(_why(answer), answer.get("verdict"))
    return answer


def _why(answer: dict[str, Any]) -> str:
    """The error, and below it each problem with its place, or the loss that it would be.

    Or the reasons of a gate.
    """
    lines = [str(answer.get("error", "refused"))]
    lines += (f"  {reason}" for reason in answer.get("because", ()))
    lines += (f"{each['place']}: {each['message']}" for each in answer.get("problems", ()))
    lines += (f"clients lose: {loss}" for loss in answer.get("losses", ()))
    return "\n".join(lines)


def admin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options by which a command finds the admin port and its token."""
    for option in (
        click.option("--admin", "url", help="The admin port's URL; else from the configuration."),
        click.option(
            "--token-file",
            type=click.Path(path_type=Path),
            help="File with the bearer token; else admin.token_file of the configuration.",
        ),
    ):
        command = option(command)
    return command


def client_or_exit(url: str | None, token_file: Path | None, folder: Path) -> AdminClient:
    """A client by the options, else by the configuration in *folder*."""
    if url is None or (token_file is None and folder.is_dir()):
        admin = config_or_exit(folder).settings.admin
        host = "127.0.0.1" if admin.host in ("0.0.0.0", "::") else admin.host  # noqa: S104
        url = url or (
            f"http://[{host}]:{admin.port}" if ":" in host else f"http://{host}:{admin.port}"
        )
        if token_file is None and admin.token_file is not None:
            token_file = folder / admin.token_file
    fault = _url_fault(url)
    if fault:
        raise click.BadParameter(fault, param_hint="--admin")
    return AdminClient(url, None if token_file is None else _token(token_file))


def _url_fault(url: str) -> str | None:
    """What is wrong with the URL of an admin port; None when nothing is."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        return "must begin with http:// or https://"
    try:
        is_there = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_there = False
    if not is_there or parts.query or parts.fragment or not url.isprintable() or " " in url:
        return "must be http://HOST:PORT"
    return None


def _token(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise click.BadParameter(message, param_hint="--token-file") from error
    except UnicodeDecodeError:
        token = ""
    # What no header can carry is no token, and a whole file is not to be shown in an error.
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise click.BadParameter(f"{path} holds no token", param_hint="--token-file")
    return token


def or_exit(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What *ask* gives; exits with 1 when it is refused, 3 when nobody answers.

    A gate refuses with the code of its verdict: 1 when it fails, 2 while it is too early to say.
    """
    try:
        return ask()
    except Refused as error:
        click.echo(str(error), err=True)
        sys.exit(_TOO_EARLY if error.verdict == GateVerdict.INCONCLUSIVE else EXIT_PROBLEMS)
    except Unreachable as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CANNOT_START)


def whoever() -> str:
    """The name under which a change goes into the audit log, unless another one is given."""
    try:
        return f"{getuser()}@{gethostname()}"
    except (OSError, KeyError):
        return f"uid-{os.getuid()}@{gethostname()}"
