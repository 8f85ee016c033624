"""R1: the configuration changes all the time, and nobody notices."""

import http.client
import signal
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from bench.faults import api
from bench.faults.ground import Backend, Ground, pause
from bench.faults.verdicts import at_least, at_most, no_failures, none, ratio, shown
from bench.figures import Figure
from bench.stand.service import PATIENCE_S, ConfigMap, Service
from bench.stand.traffic import Record, latency_ms

#: The digest of a body, and the side in the header, "" without one.
Identity = tuple[int, str]

IN_FORCE: Final = "configuration in force"
KINDS: Final = (api.READ, api.READ_ALONE)
ALLOWED_P99: Final = 1.5  # times that of the same load without reloads
PAUSE_S: Final = 0.1  # between two changes


def measure(ground: Ground, *, times: int = 100, quiet_s: float = 10.0) -> Iterator[Figure]:
    """Change between two versions, half by swapping a symlink, half by editing and SIGHUP.

    The versions differ in the server that answers and in whether the answer names its side: one
    from a server of one version and with the headers of the other was made by both. (They cannot
    differ in the JSON: what takes something from clients is refused while gRPC answers them.)
    """
    first, second = ground.backend("first"), ground.backend("second")
    versions = [version(ground, first, True), version(ground, second, False)]
    config_map = ConfigMap(ground.folder / "config-map", versions[0])
    with first.running(), second.running(), ground.service_of(config_map.mappings) as service:
        known = {identity(service)}
        rate = ground.rate(service.address, KINDS)
        before = ground.quiet(service.address, KINDS, rate, quiet_s)
        config_map.swap(versions[1])
        service.wait_for(IN_FORCE)
        known.add(identity(service))
        with ground.load(service.address, KINDS, rate) as load:
            for number in range(times):
                change(service, config_map, versions[number % 2], number)
            records = load.finish()
    yield from verdicts(before, records, known, service.count(IN_FORCE) - 1, times)


def version(ground: Ground, backend: Backend, expose_side: bool) -> dict[str, Any]:
    """A version of the configuration."""
    return ground.configuration(
        legacy=backend.http,
        grpc=backend.grpc,
        defaults=api.UNGUARDED,
        reload={"poll": "100ms"},
        debug={"expose_side": expose_side},
    )


def change(service: Service, config_map: ConfigMap, to: dict[str, Any], number: int) -> None:
    """Change the folder in one way or the other, and wait until that counts."""
    seen = service.count(IN_FORCE)
    if number // 2 % 2 == 0:
        config_map.swap(to)
    else:
        config_map.edit(to)
        service.send(signal.SIGHUP)
    service.wait_for(IN_FORCE, seen + 1)
    pause(PAUSE_S)


def identity(service: Service) -> Identity:
    """What identifies the version in force, by an answer."""
    connection = http.client.HTTPConnection(service.address, timeout=PATIENCE_S)
    connection.request("GET", api.READ.target.replace("{id}", "probe"))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return zlib.crc32(body), answer.getheader("x-cutover-side", "")


def verdicts(
    before: list[Record], records: list[Record], known: set[Identity], applied: int, times: int
) -> Iterator[Figure]:
    """What it did."""
    good = [record for record in records if record.ok]
    seen = Counter((record.digest, record.side) for record in good)
    quiet_ms, ms = latency_ms(before, 0.99), latency_ms(records, 0.99)
    yield at_least("reloads", applied, times)
    yield shown("requests", len(records))
    yield no_failures("failed requests", records)
    yield none("answers of a mixed snapshot", len(good) - sum(seen[each] for each in known))
    yield at_least("versions that answered", sum(seen[each] > 0 for each in known), 2)
    yield shown("p99 without reloads", quiet_ms, "ms")
    yield at_most("p99 with reloads, times that without", ratio(ms, quiet_ms), ALLOWED_P99, "x")
