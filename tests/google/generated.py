"""REST clients of protos, made by `gapic-generator` in a folder and imported from there.

Belongs here: running the generator, importing what it made. Does not: any call.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import google.api
import grpc_tools
from google.auth.credentials import AnonymousCredentials

#: The generator's template for a package has a namespace, which our protos have not.
NAMESPACE: Final = "generated"
#: What Google's own clients are made with.
_OPTIONS: Final = (
    "transport=rest",
    "rest-numeric-enums",
    f"python-gapic-namespace={NAMESPACE}",
)
_PLUGIN: Final = "protoc-gen-python_gapic"


def generate(place: Path, include: Path, protos: Sequence[str], name: str) -> None:
    """Write the package *name* with the REST clients of *protos*, below *include*, to *place*."""
    scripts = Path(sys.executable).parent
    roots = (include, Path(google.api.__path__[0]).parents[1], _well_known())
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *(f"-I{root}" for root in roots),
            f"--plugin={_PLUGIN}={scripts / _PLUGIN}",
            f"--python_gapic_out={place}",
            f"--python_gapic_opt={','.join((*_OPTIONS, f'python-gapic-name={name}'))}",
            *protos,
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=100,
    )


def _well_known() -> Path:
    return Path(grpc_tools.__path__[0]) / "_proto"


@contextmanager
def importable(place: Path) -> Iterator[None]:
    """Let what was generated in *place* be imported, and forget it afterwards."""
    sys.path.insert(0, str(place))
    invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(place))
        for module in [each for each in sys.modules if each.partition(".")[0] == NAMESPACE]:
            del sys.modules[module]


def package(name: str) -> ModuleType:
    """The generated package of the API *name*, version 1."""
    return import_module(f"{NAMESPACE}.{name}_v1")


def rest_client(api: ModuleType, service: str, url: str) -> Any:
    """A client of *service* that calls *url* without TLS, as its documentation says for tests."""
    kind = getattr(api, f"{service}Client")
    transport = kind.get_transport_class("rest")(
        host=url.removeprefix("http://"), url_scheme="http", credentials=AnonymousCredentials()
    )
    return kind(transport=transport)
