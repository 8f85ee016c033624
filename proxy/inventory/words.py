"""Names as words: what tells that `listRecords`, `records` and `ListRecords` mean one thing.

Belongs here: words of names and how alike two are. Does not: what is named.
"""

import re
from collections.abc import Collection
from typing import Final

from proxy.shape.names import words

#: Words that say nothing of what is meant.
_EMPTY: Final = frozenset({"the", "a", "an", "of", "by", "for", "in", "to", "api", "service", "v"})
#: What separates words, whatever it is.
_OTHER: Final = re.compile(r"[^A-Za-z0-9_-]+")
#: Endings that say "when" in one convention or another.
_MOMENTS: Final = frozenset({"at", "on", "time", "date", "timestamp", "datetime", "ts"})
_SAME: Final = {
    "created": "create",
    "creation": "create",
    "updated": "update",
    "modified": "update",
    "modification": "update",
    "changed": "update",
    "deleted": "delete",
    "expires": "expire",
    "expiry": "expire",
    "expiration": "expire",
    "identifier": "id",
    "uid": "id",
    "uuid": "id",
    "number": "count",
    "num": "count",
    "total": "count",
    "kind": "type",
    "desc": "description",
}


def singular(word: str) -> str:
    """An English word in the singular, or something that is the same for both numbers.

    >>> [singular(word) for word in ("zones", "addresses", "policies", "status", "dns")]
    ['zone', 'address', 'policy', 'status', 'dns']
    """
    if word == "ids":
        return "id"
    if len(word) < 4 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word.removesuffix("s")


def tokens(name: str) -> tuple[str, ...]:
    """The words of a name that say something, in the singular and in order.

    >>> tokens("ListRecords"), tokens("zone_ids[]")
    (('list', 'record'), ('zone', 'id'))
    """
    found = (singular(word) for word in words(_OTHER.sub("_", name)))
    return tuple(word for word in found if word not in _EMPTY)


def likeness(some: Collection[str], other: Collection[str]) -> float:
    """How many of all words are in both, from 0 to 1.

    >>> likeness(("get", "zone"), ("zone", "get")), likeness(("get",), ())
    (1.0, 0.0)
    """
    every = {*some, *other}
    return len({*some} & {*other}) / len(every) if every else 0.0


def meaning(name: str) -> frozenset[str]:
    """What a field's name means, whatever the convention: `created_on` as `create_time`.

    >>> meaning("created_on") == meaning("createTime"), meaning("ttl") == meaning("type")
    (True, False)
    """
    found = [_SAME.get(word, word) for word in tokens(name)]
    if len(found) > 1 and found[-1] in _MOMENTS:
        found[-1] = "time"
    return frozenset(found)
