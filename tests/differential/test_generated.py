"""Generated requests through both proxies: always to the same.

The generators leave out what `differences.json` lists: forms of numbers and booleans that one side
alone takes, NUL, broken escapes, dot segments, a field given twice.
"""

import base64
import json
from typing import Any, Final
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.differential.outcomes import differences, judge
from tests.differential.stand import Request, Stand
from tests.differential.tables import DIALECTS

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: Few and always the same: each example is two requests, and a build must not fail by chance.
bounded = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

TEXT: Final = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))

#: Text of no field's type, and of some: each field gets values of the others, too.
WORDS: Final = st.sampled_from(["", "x", "maybe", "true", "false", "12", "-3", "RED", "1.5", "a=b"])
INTEGERS: Final = st.one_of(st.integers(-(2**65), 2**65), st.integers(-300, 300)).map(str)
#: Whose shortest text is the exact one: Envoy prints more digits of a float than it takes.
FLOATS: Final = st.integers(-1000, 1000).map(lambda eighths: eighths / 8)
BYTES: Final = st.binary(max_size=9).flatmap(
    lambda data: st.sampled_from(
        [base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode().rstrip("=")]
    )
)

#: The texts to try for each field of the request.
QUERY_VALUES: Final[dict[str, st.SearchStrategy[str]]] = {
    **dict.fromkeys(("i32", "i64", "u32", "u64", "s32", "x64", "opt_i32", "i64_box"), INTEGERS),
    "f": FLOATS.map(str),
    "d": st.floats(-1e300, 1e300).map(str) | INTEGERS,
    **dict.fromkeys(("name", "opt_text", "text_box", "sub.name", "orderBy", "left"), TEXT),
    **dict.fromkeys(("kind", "opt_kind"), st.sampled_from(["RED", "GREEN", "1", "0", "red"])),
    **dict.fromkeys(("flag", "flag_box", "sub.flag"), st.sampled_from(["true", "false"])),
    **dict.fromkeys(("blob", "blob_box"), BYTES),
    "wait": st.sampled_from(["1s", "-1.5s", "0.000000001s", "1", "s"]),
    "moment": st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
}
#: Numbers of no value of an enum: open here, refused by Envoy.
ENUMS: Final = frozenset({"kind", "opt_kind"})
OPEN: Final = frozenset({"12", "-3"})


@st.composite
def escaped_texts(draw: st.DrawFn) -> str:
    """A segment: text, with some characters escaped that need it not, in either case of hex."""
    text = draw(TEXT.filter(lambda text: text not in ("", ".", "..")))
    pieces = []
    for character in text:
        escape = "".join(f"%{octet:02x}" for octet in character.encode())
        plain = quote(character, safe="!$&'()*+,;:=@~")
        pieces.append(draw(st.sampled_from([plain, escape, escape.upper()])))
    return "".join(pieces)


@st.composite
def queries(draw: st.DrawFn) -> str:
    """A query that names each field once at most, in any order."""
    names = draw(st.lists(st.sampled_from(sorted(QUERY_VALUES)), unique=True, max_size=5))
    pairs = []
    for name in names:
        words = WORDS.filter(lambda word: word not in OPEN) if name in ENUMS else WORDS
        pairs.append(f"{name}={quote_plus(draw(QUERY_VALUES[name] | words))}")
    return "&".join(pairs)


JSON_VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.floats(-1e300, 1e300) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
SUBS: Final = st.fixed_dictionaries(
    {}, optional={"name": TEXT, "size": st.integers(-(2**31), 2**31), "tags": st.lists(TEXT)}
)
BODIES: Final[st.SearchStrategy[dict[str, Any]]] = st.fixed_dictionaries(
    {},
    optional={
        "name": TEXT | st.integers(),
        "i32": st.integers(-(2**32), 2**32) | st.floats(-100, 100),
        "i64": st.integers(-(2**63), 2**63 - 1).flatmap(lambda n: st.sampled_from([n, str(n)])),
        "u64": st.integers(0, 2**64 - 1),
        "f": FLOATS | st.sampled_from(["NaN", "Infinity", "inf"]),
        "d": st.floats(-1e300, 1e300),
        "flag": st.booleans() | st.none(),
        "blob": BYTES,
        "kind": st.sampled_from(["RED", 2, 99, None, "PINK"]),
        "optText": TEXT,
        "tags": st.lists(TEXT, max_size=3),
        "numbers": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
        "labels": st.dictionaries(TEXT, TEXT, max_size=3),
        "indexed": st.dictionaries(st.integers(-9, 9).map(str), SUBS, max_size=2),
        "sub": SUBS,
        "subs": st.lists(SUBS, max_size=2),
        "textBox": TEXT | st.none(),
        "bag": st.dictionaries(TEXT, JSON_VALUES, max_size=2),
        "anything": JSON_VALUES,
        "right": st.integers(-5, 5),
    },
)


async def same(stand: Stand, dialect: str, **case: Any) -> None:
    request = Request.of(case)
    envoy, ours = await stand.envoy(request, dialect), await stand.ours(request, dialect)
    assert judge(differences(envoy, ours), None) == ""


in_each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@in_each_dialect
@bounded
@given(first=escaped_texts(), second=escaped_texts())
async def test_escaped_path_binds_the_same(
    stand: Stand, dialect: str, first: str, second: str
) -> None:
    await same(stand, dialect, send=f"GET /v1/items/{first}")
    await same(stand, dialect, send=f"GET /v1/projects/{first}/things/{second}")
    await same(stand, dialect, send=f"GET /v1/files/{second}/{first}")


@in_each_dialect
@bounded
@given(query=queries())
async def test_query_binds_the_same(stand: Stand, dialect: str, query: str) -> None:
    await same(stand, dialect, send=f"GET /v1/items/a?{query}")


@in_each_dialect
@bounded
@given(body=BODIES, ascii_only=st.booleans())
async def test_body_binds_the_same(
    stand: Stand, dialect: str, body: dict[str, Any], ascii_only: bool
) -> None:
    text = json.dumps(body, ensure_ascii=ascii_only)
    await same(
        stand,
        dialect,
        send="POST /v1/all/a",
        body=text,
        headers={"content-type": "application/json"},
    )
