"""The page in a real browser, if there is one: it shows all, and fetches and runs nothing."""

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from proxy.report.html import as_html
from tests.report.reports import REPORTS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

#: Long enough for the slowest machine: a browser that hangs must not hang the tests.
GIVE_UP_S = 100
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions"),
)


class Host(ThreadingHTTPServer):
    """Serves one page at every path, and keeps the paths that were asked for."""

    def __init__(self, page: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.page = page.encode()
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/report.html"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Host)
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.server.page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[Host]:
    server = Host(as_html(list(REPORTS.values())))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def browse(url: str, profile: Path, *flags: str) -> str:
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags, url]
    done = subprocess.run(command, capture_output=True, timeout=GIVE_UP_S, check=True)
    return done.stdout.decode()


def test_the_page_shows_all_routes_and_fetches_and_runs_nothing(host: Host, tmp_path: Path) -> None:
    shown = browse(host.url, tmp_path, "--dump-dom")
    assert [path for path in host.asked if path != "/favicon.ico"] == ["/report.html"]
    title = re.search(r"<title>(.*?)</title>", shown, re.DOTALL)
    assert title is not None
    assert title[1] == "Shadow report"
    assert not re.search(r"<(script|img|iframe|link|object|embed|base|form)\b", shown)
    assert shown.count("<article ") == len(REPORTS)
    assert "<script>document.title='owned'</script>" in unescape(shown)


def test_this_browser_would_run_what_is_not_escaped(host: Host, tmp_path: Path) -> None:
    """The check can fail: the same attack, as markup and without the page's own policy, acts."""
    host.page = b"<title>page</title><img src=x onerror=\"document.title='owned'\">"
    shown = browse(host.url, tmp_path, "--dump-dom", "--virtual-time-budget=5000")
    assert "<title>owned</title>" in shown
    assert "/x" in host.asked


def test_the_page_is_drawn(host: Host, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    browse(host.url, tmp_path / "profile", f"--screenshot={picture}", "--window-size=1000,1400")
    drawn = picture.read_bytes()
    assert drawn.startswith(b"\x89PNG")
    # A page of one colour takes a few kilobytes.
    assert len(drawn) > 30_000
