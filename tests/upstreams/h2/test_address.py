"""gRPC targets."""

import pytest

from proxy.upstreams.h2.address import Target, parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("dns:50051", Target("dns:50051", (("dns", 50051),))),
        ("dns", Target("dns", (("dns", 443),))),
        ("host.example:1", Target("host.example:1", (("host.example", 1),))),
        ("dns:///a.b:1", Target("a.b:1", (("a.b", 1),))),
        ("dns:a.b:1", Target("a.b:1", (("a.b", 1),))),
        ("dns:a.b", Target("a.b", (("a.b", 443),))),
        ("127.0.0.1:80", Target("127.0.0.1:80", (("127.0.0.1", 80),))),
        ("[::1]:80", Target("[::1]:80", (("::1", 80),))),
        ("::1", Target("::1", (("::1", 443),))),
        ("ipv4:1.2.3.4:5,6.7.8.9:10", Target("1.2.3.4:5", (("1.2.3.4", 5), ("6.7.8.9", 10)))),
        ("ipv6:[::1]:5", Target("[::1]:5", (("::1", 5),))),
        ("unix:a/b.sock", Target("localhost", path="a/b.sock")),
        ("unix:///a/b.sock", Target("localhost", path="/a/b.sock")),
        ("unix:/a/b.sock", Target("localhost", path="/a/b.sock")),
    ],
)
def test_a_target_names_hosts_or_a_socket(text, target):
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", ":80", "a:b", "a:0", "a:65536", "a:-1", "a:٣", "dns://8.8.8.8/a:1", "dns:///"),
        *("xds:///a", "unix-abstract:a", "unix:", "unix://a/b", "http://a:1", "a,b:1"),
        *("ipv4:", "ipv4:[::1]:1", "ipv6:1.2.3.4:1", "[::1", "vsock:1:2", "google-c2p:///a"),
    ],
)
def test_other_targets_are_refused(text):
    with pytest.raises(ValueError, match="is not a target of transport h2"):
        parse_target(text)
