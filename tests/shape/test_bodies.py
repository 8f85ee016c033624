"""Forms read into parts, and forms that are made to hurt."""

import pytest

from proxy.errors import LimitExceeded, RequestError, StatusError
from proxy.shape.bodies import (
    MAX_TEXT_PART_BYTES,
    URLENCODED,
    File,
    FormLimits,
    Part,
    form_texts,
    is_form,
    read_form,
)

MULTIPART = "multipart/form-data; boundary=b"


def part(head: str, content: bytes) -> bytes:
    return b"--b\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def named(name: str, more: str = "") -> str:
    return f'Content-Disposition: form-data; name="{name}"{more}'


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b--\r\n"


def test_forms_of_both_kinds_give_their_parts_in_order() -> None:
    assert read_form(b"a=1&b=2&a=3", URLENCODED) == [Part("a", "1"), Part("b", "2"), Part("a", "3")]
    body = form(
        part(named("a"), b"1"),
        part(named("f", '; filename="x.txt"') + "\r\nContent-Type: text/plain", b"\0"),
    )
    assert read_form(body, MULTIPART) == [Part("a", "1"), File("f", "x.txt", "text/plain", b"\0")]
    assert form_texts(body, MULTIPART) == [("a", "1")]


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/x-www-form-urlencoded", True),
        ("Application/X-WWW-Form-Urlencoded; charset=utf-8", True),
        ("multipart/form-data; boundary=x", True),
        ("multipart/mixed; boundary=x", False),
        ("application/json", False),
        ("", False),
        (None, False),
    ],
    ids=str,
)
def test_a_form_is_known_by_its_media_type(content_type: str | None, expected: bool) -> None:
    assert is_form(content_type) is expected


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\dir\\passwd", "/passwd", "a/../passwd"])
def test_a_file_has_no_path(name: str) -> None:
    escaped = name.replace("\\", "\\\\")
    (file,) = read_form(form(part(named("f", f'; filename="{escaped}"'), b"")), MULTIPART)
    assert isinstance(file, File)
    assert file.file_name == "passwd"


TOO_LARGE = {
    "ten thousand parameters": (b"&".join([b"a=1"] * 10_000), URLENCODED),
    "a thousand and one parameters": (b"&".join([b"a=1"] * 1001), URLENCODED),
    "ten thousand parts": (form(*[part(named("a"), b"")] * 10_000), MULTIPART),
    "a text of megabytes": (form(part(named("a"), b"x" * (MAX_TEXT_PART_BYTES + 1))), MULTIPART),
    "a header of kilobytes": (form(part(named("a" * 5000), b"")), MULTIPART),
    "many headers": (
        form(part("\r\n".join([named("a"), *[f"X-{i}: 1" for i in range(20)]]), b"")),
        MULTIPART,
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE, ids=str)
def test_a_form_beyond_its_limits_is_413(name: str) -> None:
    with pytest.raises(LimitExceeded) as caught:
        read_form(*TOO_LARGE[name])
    assert caught.value.http_status == 413


def test_a_thousand_parameters_are_taken() -> None:
    assert len(read_form(b"&".join([b"a=1"] * 1000) + b"&&&", URLENCODED)) == 1000


BAD = {
    "nothing at all": (b"", MULTIPART, 400),
    "no end": (part(named("a"), b"1"), MULTIPART, 400),
    "another boundary": (form(part(named("a"), b"1")), "multipart/form-data; boundary=x", 400),
    "no boundary": (b"--b--", "multipart/form-data", 400),
    "a long boundary": (b"", f"multipart/form-data; boundary={'x' * 71}", 400),
    "no name": (form(part("Content-Disposition: form-data", b"1")), MULTIPART, 400),
    "no disposition": (form(part("Content-Type: text/plain", b"1")), MULTIPART, 400),
    "base64": (
        form(part(named("a") + "\r\nContent-Transfer-Encoding: base64", b"YQ==")),
        MULTIPART,
        415,
    ),
    "another charset": (
        form(part(named("a") + "\r\nContent-Type: text/plain; charset=utf-16", b"1")),
        MULTIPART,
        415,
    ),
    "no UTF-8": (form(part(named("a"), b"\xff")), MULTIPART, 400),
    "a NUL": (form(part(named("a"), b"\0")), MULTIPART, 400),
    "a NUL in a parameter": (b"a=%00", URLENCODED, 400),
    "a parameter that is no UTF-8": (b"a=%FF", URLENCODED, 400),
    "bytes that are no UTF-8": (b"a=\xff", URLENCODED, 400),
    "a broken escape": (b"a=%2", URLENCODED, 400),
    "a charset of its own": (b"a=1", f"{URLENCODED}; charset=latin-1", 415),
}


@pytest.mark.parametrize("name", BAD, ids=str)
def test_what_is_no_form_is_refused(name: str) -> None:
    body, content_type, status = BAD[name]
    with pytest.raises(RequestError) as caught:
        read_form(body, content_type)
    assert caught.value.http_status == status


def test_files_have_a_limit_of_their_own() -> None:
    body = form(part(named("f", '; filename="x"'), b"1234"))
    assert read_form(body, MULTIPART, FormLimits(max_file_bytes=4))
    with pytest.raises(StatusError) as caught:
        read_form(body, MULTIPART, FormLimits(max_file_bytes=3))
    assert caught.value.http_status == 413


def test_a_part_may_hold_what_looks_like_a_boundary() -> None:
    (text,) = read_form(form(part(named("a"), b"x--b--\r\n-b")), MULTIPART)
    assert text == Part("a", "x--b--\r\n-b")
