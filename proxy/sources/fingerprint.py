"""What a configuration was read from, and one digest of the contents of all that.

Belongs here: which files count, and whether they are what they were. Does not: when to look
(`cli.reloading`), what the files say.

Contents, not times: Kubernetes mounts a ConfigMap as symbolic links and changes a version by
swapping the one that all others go through, so neither the time nor the name of a file need
change; and a file restored from a backup may be older than the one it replaces.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from proxy.config.schema import Settings
from proxy.config.source import SourceText
from proxy.errors import ConfigError
from proxy.sources.folder import read_folder
from proxy.sources.protos import MAX_FILES, proto_names

#: Bytes read at a time. A descriptor set may have hundreds of megabytes.
_CHUNK_BYTES: Final = 1 << 20
#: Bytes of a digest: enough that two contents never share one.
_DIGEST_BYTES: Final = 32


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a load reads: the folder's YAML files, single *files*, *trees* of protos."""

    folder: Path
    files: tuple[Path, ...] = ()
    trees: tuple[Path, ...] = ()

    def fingerprint(self, sources: Sequence[SourceText] | None = None) -> str:
        """A digest of the names and contents of all files, in hex. Blocks; raises nothing.

        *sources* are the folder's YAML files when they have been read already: the digest is of
        just that reading then. What cannot be read counts with the reason why, so that a file
        which appears, goes or becomes readable changes the digest too.
        """
        digest = blake2b(digest_size=_DIGEST_BYTES)
        for part in _folder_parts(self.folder) if sources is None else _parts(sources):
            _add(digest, part)
        for path in self.files:
            _add_file(digest, path)
        for tree in self.trees:
            _add_tree(digest, tree)
        return digest.hexdigest()


def inputs_of(settings: Settings, folder: Path, secrets: Iterable[Path] = ()) -> Inputs:
    """What a load of *folder* with these settings reads; *secrets* are files beside the TLS ones.

    Server reflection is no file: what a server would answer now is known by asking it again.
    """
    described = descriptor_inputs(settings, folder)
    tls = (folder / name for name in _tls_names(settings) if name is not None)
    files = dict.fromkeys((*described.files, *tls, *secrets))
    return Inputs(folder, (*files,), described.trees)


def descriptor_inputs(settings: Settings, folder: Path) -> Inputs:
    """The same of what describes RPCs alone: give it no YAML files to look at."""
    sources = settings.descriptors
    named = [source.descriptor_set or source.service_config for source in sources]
    trees = [folder / s.proto_path for s in sources if s.proto_path is not None]
    return Inputs(folder, tuple(folder / name for name in named if name is not None), (*trees,))


def _tls_names(settings: Settings) -> Iterator[str | None]:
    legacy = settings.upstreams.legacy
    if legacy is not None and legacy.tls is not None:
        yield legacy.tls.ca
    for upstream in settings.upstreams.grpc.values():
        if upstream.tls is not None:
            yield from (upstream.tls.ca, upstream.tls.cert, upstream.tls.key)


def _folder_parts(folder: Path) -> Iterator[bytes]:
    try:
        yield from _parts(read_folder(folder))
    except ConfigError as error:
        yield str(error).encode("utf-8", "surrogateescape")


def _parts(sources: Sequence[SourceText]) -> Iterator[bytes]:
    for source in sources:
        yield source.name.encode("utf-8", "surrogateescape")
        yield source.text.encode()


def _add_tree(digest: _Hash, tree: Path) -> None:
    try:
        names = sorted(islice(proto_names(tree), MAX_FILES + 1))
    except OSError as error:
        _add(digest, _reason(error))
        return
    for name in names:
        _add_file(digest, tree / name)


def _add_file(digest: _Hash, path: Path) -> None:
    """Add a file's name and content, each with its end marked by a length or a digest of its own.

    The length of a file that is being written is not known before it is read.
    """
    content = blake2b(digest_size=_DIGEST_BYTES)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                content.update(chunk)
    except OSError as error:
        content.update(_reason(error))
    _add(digest, str(path).encode("utf-8", "surrogateescape"))
    _add(digest, content.digest())


def _add(digest: _Hash, part: bytes) -> None:
    digest.update(len(part).to_bytes(8, "big"))
    digest.update(part)


def _reason(error: OSError) -> bytes:
    return f"error {error.errno}".encode()
