"""Programs that nothing is ever given to are told where they are written."""

import asyncio

import pytest

from proxy.errors import ConfigError
from tests.live.edge import load

#: Routes and profiles, and what is wrong with them.
CASES = {
    "a request's program at a GET": (
        "- {rpc: edge.v1.Items.Purge, shape: {jq: {request: .}}}",
        "shape.jq.request: does nothing: no request has a JSON body",
    ),
    "an answer's program at an upload": (
        "- {rpc: edge.v1.Items.File, shape: {jq: {answer: .}}}",
        "shape.jq.answer: does nothing: no answer is JSON",
    ),
    "a profile whose routes have no use for it": (
        "- {rpc: edge.v1.Items.File, shape: {profile: p}}\nprofiles: {p: {jq: {answer: .}}}",
        "profiles.p.jq.answer: does nothing: no answer is JSON",
    ),
    "a bad program": (
        '- {rpc: edge.v1.Items.Purge, shape: {jq: {answer: ".a |"}}}',
        "shape.jq.answer: must be a jq program (syntax error, unexpected end of file at line 1",
    ),
    "no program": (
        "- {rpc: edge.v1.Items.Purge, shape: {jq: {timeout: 1s}}}",
        "shape.jq: must have a program: request, answer or both",
    ),
}


@pytest.mark.parametrize(("more", "problem"), CASES.values(), ids=CASES)
def test_a_program_without_a_use_is_a_problem(more: str, problem: str):
    with pytest.raises(ConfigError) as raised:
        asyncio.run(load(legacy=False, more=f"\n{more}\n"))
    [told] = raised.value.problems
    assert problem in str(told)


def test_a_profile_may_have_a_program_that_some_of_its_routes_use():
    more = """
- {rpc: edge.v1.Items.File, shape: {profile: p}}
- {rpc: edge.v1.Items.Purge, shape: {profile: p}}
profiles: {p: {jq: {answer: .}}}
"""
    snapshot = asyncio.run(load(legacy=False, more=more))
    programs = {each.binding.method.name: each.programs for each in snapshot.bindings}
    assert programs["File"] is None
    assert programs["Purge"] is not None
    assert programs["Purge"].answer is not None


def test_a_route_can_switch_its_shape_off():
    more = """
- {rpc: edge.v1.Items.File, shape: off}
- {rpc: edge.v1.Items.Purge, shape: {jq: {answer: .}}}
"""
    snapshot = asyncio.run(load(legacy=False, more=more))
    assert [each.programs is None for each in snapshot.bindings].count(False) == 1
