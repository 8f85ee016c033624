from collections.abc import Callable
from datetime import timedelta

import pytest

from proxy.example.checks import check_content
from proxy.example.model import Content, Data, ExampleError, Filters, RecordType
from proxy.example.seed import seeded_store
from proxy.example.store import ImportResult, ZoneStore

ALL = Filters()


def address(host: str, value: str) -> Content:
    return Content(host, RecordType.A, Data("ipv4", value))


@pytest.fixture
def store() -> ZoneStore:
    return seeded_store()


def refusal(act: Callable[[], object]) -> ExampleError:
    with pytest.raises(ExampleError) as caught:
        act()
    return caught.value


def test_seed_holds_only_what_a_client_could_have_put_there(store: ZoneStore) -> None:
    for zone in store.zones():
        for record in store.page(zone.domain, ALL, 1_000, "").records:
            check_content(record.content)


def test_two_stores_that_see_the_same_changes_say_the_same() -> None:
    one, other = seeded_store(), seeded_store()
    for store in (one, other):
        store.create("fresh.example", address("a", "192.0.2.1"))
        store.delete("zones/example.com/records/blog")
    assert one.zones() == other.zones()
    assert list(one.export("fresh.example", frozenset())) == list(
        other.export("fresh.example", frozenset())
    )


def test_pages_hold_every_record_once_and_in_order(store: ZoneStore) -> None:
    names, token = [], ""
    while not names or token:
        page = store.page("example.com", ALL, 7, token)
        assert page.total_size == 73
        names += [record.record_id for record in page.records]
        token = page.next_page_token
    assert names == sorted(names)
    assert len(set(names)) == 73


def test_pages_may_begin_anywhere(store: ZoneStore) -> None:
    whole = store.page("example.com", ALL, 100).records
    first = store.page("example.com", ALL, 7)
    assert store.page("example.com", ALL, 7, skip=7).records == whole[7:14]
    skipped = store.page("example.com", ALL, 7, first.next_page_token, skip=3)
    assert skipped.records == whole[10:17]
    assert store.page("example.com", ALL, 7, skip=73).records == ()
    assert store.page("example.com", ALL, 7, skip=73).next_page_token == ""
    assert refusal(lambda: store.page("example.com", ALL, 7, skip=-1)).code == 3


def test_page_size_has_a_default_and_a_cap(store: ZoneStore) -> None:
    assert len(store.page("large.example", ALL, 0, "").records) == 50
    assert len(store.page("large.example", ALL, 2_000, "").records) == 1_000


def test_pages_go_on_after_a_record_that_is_gone(store: ZoneStore) -> None:
    page = store.page("large.example", ALL, 3, "")
    store.delete(page.records[-1].name)
    following = store.page("large.example", ALL, 1, page.next_page_token)
    assert [record.record_id for record in following.records] == ["host-0003"]


@pytest.mark.parametrize("token", ["x", "!!!!", "bnVsbA", "WzEsMl0", "WyJhIiwiYiJd", "é"])
def test_made_up_page_token_is_refused(store: ZoneStore, token: str) -> None:
    assert "page_token" in refusal(lambda: store.page("example.com", ALL, 1, token)).message


def test_page_token_of_another_list_is_refused(store: ZoneStore) -> None:
    token = store.page("example.com", ALL, 1, "").next_page_token
    refusal(lambda: store.page("large.example", ALL, 1, token))
    refusal(lambda: store.page("example.com", Filters(host="www"), 1, token))


def test_negative_page_size_is_refused(store: ZoneStore) -> None:
    assert "page_size" in refusal(lambda: store.page("example.com", ALL, -1, "")).message


@pytest.mark.parametrize(
    ("filters", "size"),
    [
        (Filters(types=frozenset({15, 16})), 3),
        (Filters(host="www"), 2),
        (Filters(host=""), 0),
        (Filters(tags={"env": "prod", "rack": "r1"}), 1),
        (Filters(types=frozenset({1}), host="@"), 1),
    ],
)
def test_record_must_pass_all_filters(store: ZoneStore, filters: Filters, size: int) -> None:
    page = store.page("example.com", filters, 1_000, "")
    assert page.total_size == len(page.records) == size


def test_filter_by_time_finds_what_changed_since(store: ZoneStore) -> None:
    made = store.create("example.com", address("new", "192.0.2.1"))
    page = store.page("example.com", Filters(updated_since=made.update_time), 0, "")
    assert page.records == (made,)


def test_change_moves_the_clock_and_the_serial_by_one(store: ZoneStore) -> None:
    before = store.zone("fresh.example")
    record = store.create("fresh.example", address("a", "192.0.2.1"))
    after = store.zone("fresh.example")
    assert after.serial == before.serial + 1
    assert after.update_time == record.update_time == before.update_time + timedelta(seconds=1)


def test_refused_change_changes_nothing(store: ZoneStore) -> None:
    before = store.zone("example.com")
    refusal(lambda: store.create("example.com", address("www", "192.0.2.80")))
    refusal(lambda: store.create("example.com", address("www", "nowhere")))
    refusal(lambda: store.delete("zones/example.com/records/none"))
    assert store.zone("example.com") == before
    assert store.record_count("example.com") == 73


def test_update_to_the_same_content_changes_nothing(store: ZoneStore) -> None:
    record = store.record("zones/example.com/records/www-1")
    assert store.update(record, record.content) is record


def test_server_finds_a_free_id(store: ZoneStore) -> None:
    store.create("fresh.example", address("a", "192.0.2.1"), "r000001")
    made = store.create("fresh.example", address("b", "192.0.2.1"))
    assert made.name == "zones/fresh.example/records/r000002"


def test_record_is_found_by_its_number_as_by_its_id(store: ZoneStore) -> None:
    record = store.record("zones/example.com/records/www-1")
    assert store.record(f"zones/example.com/records/{record.uid}") is record
    other_zone = f"zones/large.example/records/{record.uid}"
    for name in (other_zone, "zones/example.com/records/0", f"{record.name}{'9' * 5_000}"):
        assert refusal(lambda name=name: store.record(name)).code == 5


def test_numbers_are_given_once(store: ZoneStore) -> None:
    seeded = [one.uid for zone in store.zones() for one in store.page(zone.domain, ALL, 1).records]
    assert len(set(seeded)) == len(seeded)
    first = store.create("fresh.example", address("a", "192.0.2.1"))
    store.delete(first.name)
    lines = b"b IN A 192.0.2.1\nc IN A 192.0.2.1\n"
    store.import_zone_file("fresh.example", lines, validate_only=True)
    store.import_zone_file("fresh.example", lines, validate_only=False)
    last = store.create("example.com", address("new", "192.0.2.1"))
    numbers = [one.uid for one in store.page("fresh.example", ALL, 9).records] + [last.uid]
    assert numbers == [first.uid + 1, first.uid + 2, first.uid + 3]


def test_taken_id_is_refused(store: ZoneStore) -> None:
    found = refusal(lambda: store.create("example.com", address("x", "192.0.2.1"), "blog"))
    assert (found.code, found.details[1]["resourceName"]) == (
        6,
        "zones/example.com/records/blog",
    )


def test_same_host_and_data_twice_is_refused(store: ZoneStore) -> None:
    found = refusal(lambda: store.create("example.com", address("www", "192.0.2.80")))
    assert (found.code, found.details[1]["resourceName"]) == (
        6,
        "zones/example.com/records/www-1",
    )


def test_alias_is_alone_at_its_host(store: ZoneStore) -> None:
    alias = Content("www", RecordType.CNAME, Data("target", "example.net."))
    assert refusal(lambda: store.create("example.com", alias)).code == 9
    assert refusal(lambda: store.create("example.com", address("blog", "192.0.2.1"))).code == 9


def test_last_name_server_record_stays(store: ZoneStore) -> None:
    store.delete("zones/example.com/records/apex-ns1")
    assert refusal(lambda: store.delete("zones/example.com/records/apex-ns2")).code == 9
    record = store.record("zones/example.com/records/apex-ns2")
    assert refusal(lambda: store.update(record, address("@", "192.0.2.1"))).code == 9


def test_one_of_two_name_server_records_may_become_another(store: ZoneStore) -> None:
    record = store.record("zones/example.com/records/apex-ns2")
    changed = store.update(record, address("@", "192.0.2.99"))
    assert changed.content.type == RecordType.A


def test_zone_that_is_not_active_cannot_be_changed(store: ZoneStore) -> None:
    found = refusal(lambda: store.create("secondary.example", address("a", "192.0.2.1")))
    assert (found.code, found.details[1]["violations"][0]["type"]) == (9, "STATE")


def test_damaged_zone_fails_in_the_midst_of_an_export(store: ZoneStore) -> None:
    found = []
    with pytest.raises(ExampleError) as caught:
        found.extend(store.export("damaged.example", frozenset()))
    assert (caught.value.code, len(found)) == (15, 3)


def test_secondary_lags_one_change_behind(store: ZoneStore) -> None:
    made = store.create("example.com", address("new", "192.0.2.1"), "new")
    consistent, answers = store.verify("example.com", "new", ())
    assert not consistent
    assert [answer.data for answer in answers] == ["192.0.2.1", ""]
    store.update(made, address("new", "192.0.2.2"))
    assert store.verify("example.com", "new", ())[1][1].data == "192.0.2.1"
    store.delete("zones/example.com/records/blog")
    consistent, answers = store.verify("example.com", "new", ())
    serial = store.zone("example.com").serial
    assert consistent
    assert [answer.serial for answer in answers] == [serial, serial - 1]


def test_only_name_servers_of_the_zone_can_be_asked(store: ZoneStore) -> None:
    found = refusal(lambda: store.verify("example.com", "blog", ["ns9.example.net."]))
    assert "nameservers" in found.message


def test_import_adds_what_is_new_in_one_change(store: ZoneStore) -> None:
    serial = store.zone("example.com").serial
    text = b"new IN A 192.0.2.1\nnew IN A 192.0.2.2\nwww 300 IN A 192.0.2.80\n"
    result = store.import_zone_file("example.com", text, validate_only=False)
    assert result == ImportResult(added=2, present=1)
    assert store.record_count("example.com") == 75
    assert store.zone("example.com").serial == serial + 1
    assert not store.verify("example.com", "r000001", ())[0]


@pytest.mark.parametrize(
    "last",
    [b"www IN CNAME example.net.", b"bad IN A nowhere", b"x IN", b"\xff"],
)
def test_import_adds_nothing_when_one_record_is_wrong(store: ZoneStore, last: bytes) -> None:
    text = b"new IN A 192.0.2.1\n" + last
    refusal(lambda: store.import_zone_file("example.com", text, validate_only=False))
    assert store.record_count("example.com") == 73


def test_import_that_only_validates_adds_nothing(store: ZoneStore) -> None:
    result = store.import_zone_file("fresh.example", b"a IN A 192.0.2.1", validate_only=True)
    assert result == ImportResult(added=1, present=0)
    assert store.record_count("fresh.example") == 0


def test_store_says_how_much_it_holds(store: ZoneStore) -> None:
    assert repr(store) == "<ZoneStore: 5 zones, 5085 records>"
