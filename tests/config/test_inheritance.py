"""What entries take from `defaults`, key by key, where an option is a section."""

from proxy.config import ResolvedRoute
from tests.config.loading import BOTH, load

STICKY = "sticky: [{header: x-user-id}]"


def options(defaults: str, route: str) -> ResolvedRoute:
    config = load(f"{BOTH}defaults: {{{defaults}}}\nroutes: [{{rpc: a.B.C, {route}}}]")
    return config.options_for("a.B.C")


def test_canary_keys_of_an_entry_go_before_those_of_defaults() -> None:
    found = options(f"canary: {{{STICKY}, group: all, pin: 5s}}", "canary: {percent: 5, pin: off}")
    assert found.canary is not None
    assert (found.canary.group, found.canary.basis_points, found.canary.pin_s) == ("all", 500, None)
    assert [source.header for source in found.canary.sticky] == ["x-user-id"]


def test_percent_of_an_entry_ends_the_ramp_of_defaults() -> None:
    ramp = "steps: [1, 5], hold: 2h, max_auto_percent: 5"
    found = options(f"canary: {{{STICKY}, {ramp}}}", "canary: {percent: 7}").canary
    assert found is not None
    assert (found.basis_points, found.steps, found.hold_s) == (700, (), 3600.0)
    assert found.model_fields_set == {"sticky", "basis_points"}


def test_steps_of_an_entry_end_the_percent_of_defaults() -> None:
    found = options(f"canary: {{{STICKY}, percent: 7}}", "canary: {steps: [1, 5], hold: 2h}").canary
    assert found is not None
    assert (found.basis_points, found.steps, found.hold_s) == (None, (100, 500), 7200.0)


def test_steps_of_an_entry_keep_the_hold_of_defaults() -> None:
    defaults = f"canary: {{{STICKY}, steps: [1], hold: 2h}}"
    found = options(defaults, "canary: {steps: [2, 4]}").canary
    assert found is not None
    assert (found.steps, found.hold_s) == ((200, 400), 7200.0)


def test_canary_is_inherited_as_a_whole_or_given_by_the_entry_alone() -> None:
    inherited = options(f"canary: {{{STICKY}}}", "name: x").canary
    assert inherited is not None
    assert inherited.sticky
    own = options("timeout: 1s", "canary: {percent: 5}").canary
    assert own is not None
    assert own.basis_points == 500
    assert options("timeout: 1s", "name: x").canary is None


def test_safeguards_have_defaults_without_any_setting() -> None:
    found = options("timeout: 1s", "name: x")
    assert found.fallback is not None
    assert (found.fallback.on, found.fallback.max_ratio) == (("not_ready",), 0.2)
    assert found.breaker is not None
    assert (found.breaker.failures, found.breaker.open_for_s) == (5, 0.5)
    assert found.rollback is not None
    assert (found.rollback.max_e_value, found.rollback.latency_ratio) == (100.0, 1.2)


def test_safeguard_keys_of_an_entry_go_before_those_of_defaults() -> None:
    found = options(
        "fallback: {max_ratio: 0.5}, breaker: {failures: 9}, rollback: {threshold: 7}",
        "fallback: {on: [translate_error]}, breaker: {open_for: 2s}, rollback: {interval: 5m}",
    )
    assert found.fallback is not None
    assert (found.fallback.on, found.fallback.max_ratio) == (("translate_error",), 0.5)
    assert found.breaker is not None
    assert (found.breaker.failures, found.breaker.open_for_s) == (9, 2.0)
    assert found.rollback is not None
    assert (found.rollback.threshold, found.rollback.interval_s) == (7, 300.0)


def test_safeguards_can_be_off_for_one_or_for_all() -> None:
    off = "fallback: off, breaker: off, rollback: off"
    one = options("fallback: {max_ratio: 0.5}", off)
    assert (one.fallback, one.breaker, one.rollback) == (None, None, None)
    every = options(off, "name: x")
    assert (every.fallback, every.breaker, every.rollback) == (None, None, None)


def test_entry_can_turn_on_what_is_off_for_all() -> None:
    found = options("fallback: off, breaker: off", "fallback: {on: [translate_error]}")
    assert found.fallback is not None
    assert (found.fallback.on, found.fallback.max_ratio) == (("translate_error",), 0.2)
    assert found.breaker is None


def test_owner_and_date_are_inherited_and_safety_is_the_entrys_own() -> None:
    found = options("owner: team-dns, target_date: 2026-12-01", "owner: me, safety: idempotent")
    assert (found.owner, str(found.target_date), found.safety) == ("me", "2026-12-01", "idempotent")


def test_mirror_keys_of_an_entry_go_before_those_of_defaults() -> None:
    found = options(
        "mirror: {percent: 5, timeout: 9s, headers: {remove: [cookie], set: {x-a: '1'}}}",
        "mirror: {percent: 50, headers: {set: {x-b: '2'}}}",
    ).mirror
    assert found is not None
    assert (found.basis_points, found.timeout_s) == (5000, 9.0)
    assert (found.headers.set, found.headers.remove) == ({"x-b": "2"}, ("cookie",))


def test_mirror_can_be_off_for_one_or_for_all_and_on_for_one() -> None:
    assert options("mirror: {percent: 5}", "mirror: off").mirror is None
    assert options("mirror: off", "name: x").mirror is None
    one = options("mirror: off", "mirror: {percent: 5}").mirror
    assert one is not None
    assert one.basis_points == 500


def test_compare_keys_of_an_entry_go_before_those_of_defaults() -> None:
    shared = "rules: [{path: $.a, use: set, reason: r}]"
    found = options(
        f"mirror: {{percent: 5}}, compare: {{status: class, {shared}, noise: {{control_percent: 5, "
        "reverify_after: 1s}}",
        "compare: {headers: [etag], noise: {reverify_after: off}}",
    ).compare
    assert found is not None
    assert (found.status, found.headers, [each.text for each in found.rules]) == (
        *("class", ("etag",)),
        ["$.a set"],
    )
    noise = found.noise
    assert (noise.control_basis_points, noise.reverify_after_s) == (500, None)


def test_rules_of_an_entry_take_the_place_of_those_of_defaults() -> None:
    rules = "rules: [{path: $.%s, use: set, reason: r}]"
    defaults = f"mirror: {{percent: 5}}, compare: {{{rules % 'a'}}}"
    found = options(defaults, f"compare: {{{rules % 'b'}}}").compare
    assert found is not None
    assert [each.text for each in found.rules] == ["$.b set"]
    none = options(defaults, "compare: {rules: []}").compare
    assert none is not None
    assert none.rules == ()


def test_gate_keys_of_an_entry_go_before_those_of_defaults() -> None:
    found = options("gate: {min_keys: 5, confidence: 99%}", "gate: {min_keys: 7}").gate
    assert found is not None
    assert (found.min_keys, found.confidence, found.max_mismatch) == (7, 0.99, 0.001)


def test_gate_is_built_in_where_there_is_a_mirror_and_only_there() -> None:
    assert options("timeout: 1s", "mirror: {percent: 5}").gate is not None
    assert options("mirror: {percent: 5}", "name: x").gate is not None
    assert options("mirror: {percent: 5}", "mirror: off").gate is None
    assert options("mirror: {percent: 5}", "gate: off").gate is None
    assert options("mirror: {percent: 5}, gate: off", "name: x").gate is None
    on = options("mirror: {percent: 5}, gate: off", "gate: {min_keys: 5}").gate
    assert on is not None
    assert on.min_keys == 5
