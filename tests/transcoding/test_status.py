"""Status codes to HTTP and back: the vectors as a table."""

from typing import Final

from proxy.status import HTTP_STATUS, Code, Status, code_of_grpc_status, code_of_http_status
from tests.vector_tables import Case, select

VECTORS: Final = select("http_status")


@VECTORS.where(lambda case: case["direction"] == "grpc_to_http").parametrize
def test_grpc_status_gets_its_http_status(case: Case) -> None:
    number = case.get("grpc_code")
    code = code_of_grpc_status(case["grpc_status_text"] if number is None else number)
    assert Status(code).http_status == case["http_status"]
    if case.get("grpc_name"):
        assert code.name == case["grpc_name"]
    else:
        assert code is Code.UNKNOWN


@VECTORS.where(lambda case: case["direction"] == "http_to_grpc").parametrize
def test_answer_without_grpc_status_gets_a_code(case: Case) -> None:
    code = code_of_http_status(case["http_status"])
    assert (int(code), code.name) == (case["grpc_code"], case["grpc_name"])


def test_any_informational_answer_is_internal_and_any_unlisted_one_unknown() -> None:
    assert {code_of_http_status(number) for number in range(100, 200)} == {Code.INTERNAL}
    assert {code_of_http_status(number) for number in (0, 99, 200, 299, 600)} == {Code.UNKNOWN}


def test_every_code_has_an_http_status_and_every_vector_is_used() -> None:
    assert set(HTTP_STATUS) == set(Code)
    assert len(Code) == 17
    assert not VECTORS.left_out


def test_text_reads_as_the_number_it_spells_and_nothing_else() -> None:
    for code in Code:
        assert code_of_grpc_status(str(int(code))) is code_of_grpc_status(int(code)) is code
    for text in ("", " 5", "05", "5.0", "-1", "\u0665", "NOT_FOUND"):
        assert code_of_grpc_status(text) is Code.UNKNOWN
