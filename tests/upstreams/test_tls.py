"""TLS files that cannot be used are refused when an upstream is made, not at its first call."""

import re
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from proxy.errors import ConfigError
from proxy.upstreams.grpc import GrpcUpstream
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.rest import RestOptions, RestUpstream
from proxy.upstreams.tls import TlsOptions, client_context

AUTHORITY = trustme.CA()
CLIENT = AUTHORITY.issue_cert("client.example")
OTHER = AUTHORITY.issue_cert("other.example")

CERTIFICATE = CLIENT.cert_chain_pems[0].bytes()
KEY = CLIENT.private_key_pem.bytes()
LOCKED_KEY = load_pem_private_key(KEY, None).private_bytes(
    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"secret")
)
CUT_SHORT = CERTIFICATE[: len(CERTIFICATE) // 2]


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("data", [b"", b"junk \xff", CUT_SHORT, KEY])
def test_authorities_without_a_certificate_are_refused_and_never_those_of_the_system(
    tmp_path, data
):
    tls = TlsOptions(write(tmp_path, "ca.pem", data))
    with pytest.raises(ConfigError, match=r"ca\.pem: holds no certificate that can be read"):
        client_context(tls)


def test_authorities_may_stand_among_remarks(tmp_path):
    path = write(tmp_path, "ca.pem", "# Größte\n".encode() + AUTHORITY.cert_pem.bytes())
    context = client_context(TlsOptions(path))
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        (b"", KEY),
        (CUT_SHORT, KEY),
        (CERTIFICATE, b""),
        (CERTIFICATE, OTHER.private_key_pem.bytes()),
        (CERTIFICATE, LOCKED_KEY),
    ],
)
def test_a_certificate_and_a_key_that_do_not_go_together_are_refused(tmp_path, certificate, key):
    tls = TlsOptions(
        None, write(tmp_path, "client.pem", certificate), write(tmp_path, "client.key", key)
    )
    with pytest.raises(ConfigError, match=r"client\.pem: is no certificate to which .*client\.key"):
        client_context(tls)


@pytest.mark.parametrize("missing", ["ca", "certificate", "key"])
def test_a_missing_file_is_named(tmp_path, missing):
    files = {"ca": AUTHORITY.cert_pem.bytes(), "certificate": CERTIFICATE, "key": KEY}
    paths = {name: write(tmp_path, name, data) for name, data in files.items()}
    paths[missing] = tmp_path / "none.pem"
    with pytest.raises(ConfigError, match=re.escape("none.pem: cannot be read: No such file")):
        client_context(TlsOptions(**paths))


async def test_both_kinds_of_upstream_refuse_at_once(tmp_path):
    tls = TlsOptions(write(tmp_path, "ca.pem", b"junk"))
    with pytest.raises(ConfigError, match="holds no certificate"):
        RestUpstream("https://legacy.example", RestOptions(tls=tls))
    with pytest.raises(ConfigError, match="holds no certificate"):
        GrpcUpstream("server.example:443", GrpcOptions(tls=tls))
