"""The numbers that upstreams keep: added up by name, and never less than they were."""

import re
from dataclasses import replace

from proxy.telemetry.metrics import Metrics
from proxy.telemetry.upstream_numbers import UpstreamReading

FIRST = UpstreamReading(inflight=3, refused=5, retried=7, unretried=11, addresses=2)
SECOND = UpstreamReading(inflight=10, refused=20, retried=30, unretried=40, addresses=4)


#: Labels come in any order.
SORTED = re.compile(r'(result="\w+"),(upstream="\w+")')


class Fake:
    """An upstream, as far as its numbers go."""

    def __init__(self, reading: UpstreamReading) -> None:
        self.reading = reading

    def __call__(self) -> UpstreamReading:
        return self.reading

    def close(self) -> None:
        self.reading = replace(self.reading, is_closed=True, inflight=0)


def shown(metrics: Metrics) -> dict[str, float]:
    """The metrics of upstreams, as a scrape has them."""
    lines = metrics.render()[1].decode().splitlines()
    found = (line.removeprefix("cutover_upstream_") for line in lines if "upstream_" in line[:17])
    samples = (line.rpartition(" ") for line in found)
    return {SORTED.sub(r"\2,\1", name): float(number) for name, _, number in samples}


def test_the_numbers_of_an_upstream_are_shown_by_its_name() -> None:
    metrics = Metrics()
    metrics.upstream_from("dns", Fake(FIRST))
    assert shown(metrics) == {
        'inflight{upstream="dns"}': 3,
        'refused_total{upstream="dns"}': 5,
        'retries_total{upstream="dns",result="made"}': 7,
        'retries_total{upstream="dns",result="refused"}': 11,
        'addresses{upstream="dns"}': 2,
    }


def test_an_upstream_with_one_address_has_no_number_of_them() -> None:
    metrics = Metrics()
    metrics.upstream_from("legacy", Fake(UpstreamReading(1, 2)))
    assert shown(metrics) == {
        'inflight{upstream="legacy"}': 1,
        'refused_total{upstream="legacy"}': 2,
    }


def test_the_old_and_the_new_are_added_up_while_both_have_calls() -> None:
    metrics, old = Metrics(), Fake(FIRST)
    metrics.upstream_from("dns", old)
    metrics.upstream_from("dns", Fake(SECOND))
    both = shown(metrics)
    assert (both['inflight{upstream="dns"}'], both['addresses{upstream="dns"}']) == (13, 4)
    old.close()
    for _ in range(2):
        later = shown(metrics)
        assert later.pop('inflight{upstream="dns"}') == 10
        # What it counted stays, since a counter must not fall.
        assert later == {name: number for name, number in both.items() if name in later}
        assert later['refused_total{upstream="dns"}'] == 25


def test_of_an_upstream_that_is_gone_the_counters_stay() -> None:
    metrics, upstream = Metrics(), Fake(FIRST)
    metrics.upstream_from("dns", upstream)
    upstream.close()
    for _ in range(2):
        assert shown(metrics) == {
            'refused_total{upstream="dns"}': 5,
            'retries_total{upstream="dns",result="made"}': 7,
            'retries_total{upstream="dns",result="refused"}': 11,
        }


def test_closed_upstreams_do_not_pile_up_where_nobody_asks() -> None:
    metrics = Metrics()
    for _ in range(100):
        upstream = Fake(FIRST)
        metrics.upstream_from("dns", upstream)
        upstream.close()
    assert sum(map(len, metrics._upstreams._reads.values())) == 1
    assert shown(metrics)['refused_total{upstream="dns"}'] == 500


def test_workers_add_up_their_calls_and_not_their_addresses() -> None:
    one, other = Metrics(), Metrics()
    one.upstream_from("dns", Fake(FIRST))
    other.upstream_from("dns", Fake(SECOND))
    tally = one.tally()
    tally.merge(other.tally())
    numbers = {
        (name, *labels): sample
        for name, family in tally.families.items()
        if name.startswith("cutover_upstream")
        for labels, sample in family.samples.items()
    }
    assert numbers["cutover_upstream_inflight", "dns"] == [13]
    assert numbers["cutover_upstream_addresses", "dns"] == [4]
    assert numbers["cutover_upstream_refused", "dns"] == [25]
    assert numbers["cutover_upstream_retries", "dns", "made"] == [37]
