"""Keys about answers that do not fit their RPC are errors where they are written."""

from pathlib import Path

import pytest

from proxy.errors import ConfigError
from tests.shape.outcomes.zones import load


async def problems(routes: str, defaults: str = "", more: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        await load(routes, defaults, more)
    return [
        str(each).partition(": ")[2].removeprefix("routes[0].shape.")
        for each in caught.value.problems
    ]


#: A line with a route's shape, and below it the one problem that it makes.
LINES = Path(__file__).with_name("problems.txt").read_text().splitlines()
CASES = dict(zip(LINES[::2], LINES[1::2], strict=True))


@pytest.mark.parametrize("routes", CASES)
async def test_a_key_that_does_not_fit_is_an_error_where_it_stands(routes: str):
    assert await problems(routes) == [CASES[routes].strip()]


async def test_every_problem_is_told_with_its_line():
    with pytest.raises(ConfigError) as caught:
        await load('Get: {headers: {X-A: "{a}", X-B: "{b}"}, etag: "{c}"}')
    lines = [str(each) for each in caught.value.problems]
    assert [line.split(": ")[1] for line in lines] == [
        "routes[0].shape.headers.X-A",
        "routes[0].shape.headers.X-B",
        "routes[0].shape.etag",
    ]
    assert all("/cutover.yaml:7:" in line for line in lines)


PROFILE = 'profiles: {old: {etag: "{etag}", headers: {X-Owner: "{owner}"}}}\n'


async def test_a_profile_is_for_the_routes_that_it_fits():
    snapshot = await load("Get: {profile: old}\nList: {profile: old}", more=PROFILE)
    fitting = {each.route.rpc for each in snapshot.bindings if each.outcomes is not None}
    assert fitting == {"zones.v1.Records.Get"}


async def test_a_profile_that_fits_no_route_is_an_error_at_the_profile():
    assert await problems("List: {profile: old}", more=PROFILE) == [
        (
            "profiles.old.headers.X-Owner: zones.v1.ListReply has no field owner, "
            "for zones.v1.Records.List"
        ),
        "profiles.old.etag: zones.v1.ListReply has no field etag, for zones.v1.Records.List",
    ]


async def test_a_route_takes_the_rest_of_a_key_from_its_profile():
    profile = "profiles: {old: {paging: {per_page: n, default_per_page: 7}}}\n"
    snapshot = await load("List: {profile: old, paging: {skip: skip}}", more=profile)
    [options] = [
        each.outcomes.paging.options
        for each in snapshot.bindings
        if each.outcomes is not None and each.outcomes.paging is not None
    ]
    assert (options.per_page, options.default_per_page, options.skip) == ("n", 7, "skip")


async def test_a_route_without_such_keys_has_nothing_to_pay_for():
    snapshot = await load("Get: {names: snake}")
    assert all(each.outcomes is None for each in snapshot.bindings)


async def test_the_defaults_are_for_the_routes_that_they_fit_too():
    snapshot = await load("", ', shape: {etag: "{etag}"}')
    fitting = {each.route.rpc.rpartition(".")[2] for each in snapshot.bindings if each.outcomes}
    assert fitting == {"Get", "Create", "Update"}
    assert await problems("", ', shape: {etag: "{none}"}') == [
        "defaults.shape.etag: zones.v1.Record has no field none, for zones.v1.Records.Get"
    ]


async def test_parts_say_what_they_are():
    snapshot = await load(
        'List: {headers: {X-A: "{@page}"}, paging: {}}\n'
        'Update: {etag: {value: "{etag}", if_match: record.etag}}'
    )
    shown = [repr(each.outcomes) for each in snapshot.bindings if each.outcomes is not None]
    assert shown == [
        "<Outcomes of zones.v1.Records.List at /v4/zones/{zone}/records>",
        "<Outcomes of zones.v1.Records.Update at /v4/records/{record.id}>",
    ]


ENVELOPE = 'profiles: {old: {answer: {body: {a: "{}", b: "{@page}"}}}}\n'


async def test_an_envelope_of_a_profile_is_for_the_routes_that_have_its_values():
    snapshot = await load("Get: {profile: old}\nList: {profile: old, paging: {}}", more=ENVELOPE)
    having = {each.route.rpc for each in snapshot.bindings if each.outcomes is not None}
    assert having == {"zones.v1.Records.List"}
    told = await problems("Get: {profile: old, answer: {body: {c: 1}}}", more=ENVELOPE)
    assert told == ["profiles.old.answer: {@page} needs paging, for zones.v1.Records.Get"]
