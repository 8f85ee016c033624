"""gRPC targets."""

import pytest

from proxy.upstreams.target import Address, Target, parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("dns:50051", Target("dns:50051", (Address("dns", 50051),))),
        ("dns", Target("dns", (Address("dns", 443),))),
        ("host.example:1", Target("host.example:1", (Address("host.example", 1),))),
        ("dns:///a.b:1", Target("a.b:1", (Address("a.b", 1),))),
        ("dns:a.b:1", Target("a.b:1", (Address("a.b", 1),))),
        ("dns:a.b", Target("a.b", (Address("a.b", 443),))),
        ("127.0.0.1:80", Target("127.0.0.1:80", (Address("127.0.0.1", 80),))),
        ("[::1]:80", Target("[::1]:80", (Address("::1", 80),))),
        ("::1", Target("::1", (Address("::1", 443),))),
        (
            "ipv4:1.2.3.4:5,6.7.8.9:10",
            Target("1.2.3.4:5", (Address("1.2.3.4", 5), Address("6.7.8.9", 10))),
        ),
        ("ipv6:[::1]:5", Target("[::1]:5", (Address("::1", 5),))),
        ("dns://8.8.8.8/a:1", Target("a:1", (Address("a", 1),), "", Address("8.8.8.8", 53))),
        ("dns://[::1]:54/a", Target("a", (Address("a", 443),), "", Address("::1", 54))),
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
        *(
            "",
            ":",
            ":80",
            "a:b",
            "a:0",
            "a:65536",
            "a:-1",
            "a:٣",
            "dns:///",
            "dns://8.8.8.8",
            "dns://dns.example/a:1",
        ),
        *("xds:///a", "unix-abstract:a", "unix:", "unix://a/b", "http://a:1", "a,b:1"),
        *(
            "ipv4:",
            "ipv4:[::1]:1",
            "ipv6:1.2.3.4:1",
            "[::1",
            "vsock:1:2",
            "google-c2p:///a",
            "ipv4:a:1",
        ),
    ],
)
def test_other_targets_are_refused(text):
    with pytest.raises(ValueError, match="is not a target of transport h2"):
        parse_target(text)


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("dns:1", True),
        ("dns://8.8.8.8/a:1", True),
        ("localhost:1", True),
        ("127.0.0.1:1", False),
        ("[::1]:1", False),
        ("ipv4:1.2.3.4:5,6.7.8.9:10", False),
        ("unix:/a", False),
    ],
)
def test_only_a_name_needs_a_resolver(text, needs):
    assert parse_target(text).needs_resolver is needs


def test_an_address_is_written_as_targets_write_it():
    assert [str(Address(host, 5)) for host in ("::1", "1.2.3.4", "a")] == [
        "[::1]:5",
        "1.2.3.4:5",
        "a:5",
    ]
