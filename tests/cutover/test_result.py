"""Telling how a request ended on its side."""

import pytest

from proxy.cutover.fallback import Failure
from proxy.cutover.result import Result, result_of
from proxy.status import HTTP_STATUS, Code


@pytest.mark.parametrize("http_status", [200, 204, 304, 400, 404, 429, 499])
def test_what_a_side_answers_about_the_request_is_an_answer(http_status):
    assert result_of(http_status) is Result.ANSWERED


@pytest.mark.parametrize("http_status", [500, 501, 502, 503, 504])
def test_both_sides_fail_from_500_on(http_status):
    assert result_of(http_status) is Result.FAILED
    assert result_of(http_status, Failure(Code.INTERNAL, sent=True)) is Result.FAILED


@pytest.mark.parametrize("code", [code for code in Code if HTTP_STATUS[code] < 500])
def test_a_refusal_by_the_application_is_an_answer_on_grpc_too(code):
    assert result_of(HTTP_STATUS[code], Failure(code, sent=True)) is Result.ANSWERED


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED])
def test_a_server_that_says_nothing_is_unreachable(code):
    assert result_of(503, Failure(code, sent=True)) is Result.UNREACHABLE


def test_a_client_in_a_hurry_tells_nothing_of_the_server():
    failure = Failure(Code.DEADLINE_EXCEEDED, sent=True, hurried=True)
    assert result_of(504, failure) is Result.ABANDONED
