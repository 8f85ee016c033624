"""A configuration in versions, mounted as Kubernetes mounts a ConfigMap.

Belongs here: folders that change as a whole, and versions that differ in several ways at once, so
that an answer made of two of them shows.
"""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from proxy.example.schema import compile_folder

CONFIG = """
version: 1
listen: {{host: 127.0.0.1, port: 0}}
admin: {{host: 127.0.0.1, port: 0}}
descriptors: [{{proto_path: ..data}}]
upstreams: {{items: {{target: "{target}", plaintext: true}}{legacy}}}
defaults: {{stage: {stage}, emit_defaults: true, response_metadata: [{header}]}}
reload: {{poll: {poll}}}
"""
#: The field that the upstream sends as number 2 is called after the version, by two files.
PROTO = """
syntax = "proto3";
package versions.v1;
import "google/api/annotations.proto";
service Items {{
  rpc Get(GetRequest) returns (Item) {{ option (google.api.http) = {{get: "/v1/items/{{id}}"}}; }}
}}
message GetRequest {{ string id = 1; }}
message Item {{ string id = 1; string {field} = 2; }}
"""
METHOD = "/versions.v1.Items/Get"
#: An item with both fields.
ITEM = b"\n\x011\x12\x01x"


@cache
def compiled(text: str) -> bytes:
    """A descriptor set of one proto."""
    with TemporaryDirectory() as folder:
        Path(folder, "items.proto").write_text(text)
        return compile_folder(Path(folder))


class Mount:
    """A folder whose every file is a link through `..data`, which is swapped as one."""

    def __init__(
        self, place: Path, target: str, *, poll: str = "100ms", legacy: str = "", state: str = ""
    ) -> None:
        self.folder = place / "mount"
        self.folder.mkdir()
        self._target = target
        self._poll = poll
        self._legacy = f', legacy: {{url: "{legacy}"}}' if legacy else ""
        self._state = f"state: {{directory: {state}}}\n" if state else ""
        self._count = 0

    def put(self, version: str, *, stage: str = "grpc") -> None:
        """Put *version* in place: a header and a field are named after it."""
        config = CONFIG.format(
            target=self._target,
            poll=self._poll,
            legacy=self._legacy,
            stage=stage,
            header=f"x-{version}",
        )
        proto = PROTO.format(field=version)
        self.write({"cutover.yaml": config + self._state, "items.proto": proto})

    def files(self) -> dict[str, str]:
        """What lies there now."""
        names = [path.name for path in self.folder.iterdir() if not path.name.startswith(".")]
        return {name: (self.folder / name).read_text() for name in names}

    def write(self, files: dict[str, str]) -> None:
        """Put other files in the place of all that are there."""
        self._count += 1
        fresh = self.folder / f"..{self._count}"
        fresh.mkdir()
        for name, text in files.items():
            (fresh / name).write_text(text)
        link = self.folder / "..data_tmp"
        link.symlink_to(fresh.name)
        link.rename(self.folder / "..data")
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        for entry in self.folder.iterdir():
            if entry.is_symlink() and not entry.exists():
                entry.unlink()


def version_of(headers: tuple[tuple[str, str], ...], body: bytes) -> str:
    """The version that made an answer: its header and its field must agree."""
    names = {name.removeprefix("x-") for name, _ in headers if name.startswith("x-v")}
    assert len(names) == 1, headers
    (name,) = names
    assert body == b'{"id":"1","%b":"x"}' % name.encode(), (name, body)
    return name
