"""What must hold whatever happens, and where it is held: each promise with the tests that keep it.

A promise whose tests are renamed or removed fails here: it would be lost without a word.
"""

import ast
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent

#: Each promise, and its tests as `folder/module::test`.
INVARIANTS: Final[dict[str, tuple[str, ...]]] = {
    "I1 a mirror that goes wrong costs its primary nothing, nor the next request": (
        "shadow/test_invariants_primary::test_a_server_that_is_none_is_not_noticed_on_a_connection_that_stays",
        "shadow/test_invariants_primary::test_requests_are_answered_while_every_mirror_before_them_hangs",
        "scenarios/test_shadow::test_a_mirror_that_goes_wrong_with_every_call_fails_no_request",
    ),
    "I2 a primary's bytes are the same with a mirror, without one, and with a bug in it": (
        "shadow/test_invariants_primary::test_a_bug_at_any_step_of_an_examination_leaves_the_primary_as_it_is",
    ),
    "I3 memory is bounded": (
        "shadow/test_invariants_primary::test_mirrors_that_hang_hold_no_more_than_they_may_and_leave_nothing",
        "shadow/test_pool::test_ten_thousand_mirrors_that_hang_leave_nothing_behind",
    ),
    "I4 no write reaches the mirror's server unless route and server both say so": (
        "shadow/test_invariants_writes::test_a_write_reaches_the_other_side_only_if_route_and_upstream_allow_it",
        "shadow/test_invariants_writes::test_a_call_of_a_write_without_both_permissions_is_refused_at_load",
    ),
    "I5 translating opens no connection": (
        "cli/test_shadowing::test_translating_opens_no_connection",
    ),
    "I6 exactly one side answers; a write is sent to one side": (
        "cutover/test_decision::test_every_combination_is_decided_as_the_law_says",
        "exchange/test_fallback::test_a_write_is_never_written_on_both_sides",
        "scenarios/test_changes::test_a_route_that_moves_has_each_request_answered_once_by_the_side_in_the_log",
    ),
    "I7 nothing unsafe is sent twice after bytes may have left": (
        "exchange/test_fallback::test_only_a_safe_request_is_made_twice_after_it_was_sent",
        "scenarios/test_failures::test_reads_survive_the_death_of_their_server_and_writes_are_done_once",
    ),
    "I8 buckets are monotone, fair, shared by a group and stable": (
        "cutover/test_bucket::test_vector_has_its_bucket",
        "cutover/test_bucket::test_every_bucket_is_drawn_alike",
        "cutover/test_bucket::test_groups_are_independent_of_each_other",
        "cutover/test_decision::test_raising_the_percent_never_takes_a_key_back",
        "cutover/test_decision::test_routes_of_one_group_decide_alike",
    ),
    "I9 no percent is nobody, all of it is everybody with a key": (
        "cutover/test_decision::test_no_percent_takes_nobody_and_the_whole_takes_everybody_with_a_key",
        "cutover/test_decision::test_who_has_no_key_stays_with_legacy_at_any_percent",
    ),
    "I10 who is not trusted picks no side and forges no mark": (
        "cutover/test_decision::test_an_override_that_is_not_trusted_changes_nothing",
        "cutover/test_override_header::test_header_is_taken_out_whether_it_is_trusted_or_not",
        "shadow/test_invariants_writes::test_a_write_that_claims_to_be_a_mirrors_is_a_write",
    ),
    "I11 a bad configuration changes nothing and is told with its place": (
        "cli/test_reload::test_a_bad_folder_changes_nothing_and_is_told_with_its_place",
        "cli/test_reload::test_a_swapped_mount_is_noticed_without_being_told",
        "cli/test_reload::test_swaps_under_traffic_lose_no_request_and_mix_no_answer",
    ),
    "I12 the counts of mirrors add up, shutdown included": (
        "shadow/test_invariants_end::test_the_counts_add_up_and_are_kept_whole_however_mirrors_were_cut_off",
        "scenarios/test_shadow_ledger::test_the_report_counts_what_both_servers_were_asked_and_no_request_is_lost",
    ),
    "I13 comparisons are reflexive, symmetric, linear and bounded": (
        "comparison/test_properties::test_an_answer_equals_itself",
        "comparison/test_properties::test_exchanging_the_sides_mirrors_all_differences",
        "comparison/test_properties::test_the_order_of_keys_changes_nothing",
        "comparison/test_properties::test_a_rule_removes_differences_only_at_and_below_its_own_path",
        "comparison/test_hostile::test_ten_thousand_levels_are_not_compared",
        "comparison/test_hostile::test_work_on_lists_grows_with_their_size",
        "comparison/test_hostile::test_differences_are_bounded_and_say_so",
    ),
    "I14 no value that may not be shown is in store, log, metric or report": (
        "shadow/test_invariants_secrets::test_no_secret_of_a_request_or_of_an_answer_is_left_anywhere",
        "evidence/test_secrets::test_no_secret_is_in_the_files_nor_in_what_is_read_nor_in_the_log",
    ),
    "I15 a noisy field with a format still fails by its form; no rule outlives its day unseen": (
        "comparison/test_rules::test_a_check_takes_two_values_for_equal_or_not",
        "supervisor/test_processes::test_a_rule_that_expired_overnight_leaves_no_host_without_workers",
    ),
    "I16 no way of looking promotes a bad route more often than alpha": (
        "gate/test_peeking::test_no_schedule_of_looks_promotes_a_route_at_the_limit_more_often_than_alpha",
        "gate/test_judgement::test_one_thing_missing_is_inconclusive_and_named",
    ),
    "I17 few false alarms, and a rollback within five failures": (
        "cutover/test_error_alarms::test_one_run_in_a_hundred_at_most_is_a_false_alarm",
        "cutover/test_error_test::test_it_ends_within_five_failures_that_are_all_on_grpc",
    ),
    "I18 the kill switch works with everything else down, and survives a restart": (
        "cli/test_kill::test_with_the_state_broken_too_it_is_on",
        "state/test_directory::test_the_kill_switch_survives_a_restart",
    ),
    "I19 mirrors are told apart, and change nothing that is told of requests": (
        "shadow/test_invariants_end::test_the_series_and_the_log_of_requests_know_nothing_of_their_mirrors",
    ),
    "I20 requests are finished before mirrors, and these within their time": (
        "shadow/test_invariants_end::test_requests_are_finished_before_mirrors_and_these_within_their_time",
    ),
    "I21 comparing does not hold up the event loop": (
        "shadow/test_helper::test_nothing_above_the_inline_limit_is_compared_on_the_event_loop",
        "scenarios/test_shadow::test_answers_of_400_kb_are_compared_beside_the_event_loop",
    ),
    "I22 automatic steps wait for their windows, and jumps of a clock skip no hold": (
        "cutover/test_upkeep::test_steps_are_taken_only_inside_a_window",
        "cutover/test_upkeep::test_a_jump_of_the_wall_clock_shortens_no_hold",
    ),
}  # fmt: skip


def test_all_promises_are_there_in_their_order():
    assert [name.split()[0] for name in INVARIANTS] == [f"I{number}" for number in range(1, 23)]


@pytest.mark.parametrize("name", INVARIANTS)
def test_a_promise_has_its_tests(name: str):
    for each in INVARIANTS[name]:
        module, _, test = each.partition("::")
        tree = ast.parse((TESTS / f"{module}.py").read_text(encoding="utf-8"))
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        assert test in {node.name for node in tree.body if isinstance(node, functions)}, each
