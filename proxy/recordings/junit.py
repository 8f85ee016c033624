"""JUnit XML: what pipelines read, a suite for each route and a case for each exchange.

Belongs here: the document. Does not: what came of exchanges (`replays`).

The form is that of Ant's task, which all readers know: `testsuites`, `testsuite`, `testcase`, and
within `failure`, `error` or `skipped`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from proxy.comparison.documents import Difference, Excerpt
from proxy.recordings.replays import Ending, Replayed

#: What XML 1.0 has no form for, not even an escaped one (section 2.2).
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Which element says that a case is not as it should be.
_ELEMENTS: Final = {
    Ending.DIFFERENT: "failure",
    Ending.ERROR: "error",
    Ending.SKIPPED: "skipped",
}
_COUNTED: Final = (
    ("failures", Ending.DIFFERENT),
    ("errors", Ending.ERROR),
    ("skipped", Ending.SKIPPED),
)


def junit_xml(replayed: Sequence[Replayed], name: str = "cutover replay") -> bytes:
    """The document, in UTF-8."""
    root = Element("testsuites", _numbers(name, replayed))
    for route in sorted({each.route for each in replayed}):
        cases = [each for each in replayed if each.route == route]
        suite = SubElement(root, "testsuite", _numbers(route or "(no route)", cases))
        for case in cases:
            _add_case(suite, case)
    indent(root)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _numbers(name: str, cases: Iterable[Replayed]) -> dict[str, str]:
    every = [*cases]
    counted = {key: sum(e.ending is ending for e in every) for key, ending in _COUNTED}
    return {
        "name": _xml_text(name),
        "tests": str(len(every)),
        **{key: str(count) for key, count in counted.items()},
        "time": f"{sum(each.seconds for each in every):.3f}",
    }


def _add_case(suite: Element, case: Replayed) -> None:
    about = {
        "classname": _xml_text(case.route or "(no route)"),
        "name": _xml_text(case.name),
        "time": f"{case.seconds:.3f}",
    }
    element = SubElement(suite, "testcase", about)
    kind = _ELEMENTS.get(case.ending)
    if kind is None:
        return
    inner = SubElement(element, kind, {"message": _xml_text(message_of(case))})
    if kind != "skipped":
        inner.set("type", case.ending.value)
    inner.text = _xml_text("\n".join(map(difference_line, case.differences))) or None


def message_of(case: Replayed) -> str:
    """What is wrong with a case, on one line."""
    if case.reason:
        return case.reason
    paths = sorted({each.path for each in case.differences})
    return f"differs at {', '.join(paths)}"


def difference_line(difference: Difference) -> str:
    """One difference on a line.

    >>> from proxy.comparison.kinds import Kind
    >>> both = Excerpt("number", 1, "1"), Excerpt("string", 1, '"1"')
    >>> difference_line(Difference("$.id", Kind.TYPE, 3, *both))
    '$.id  type, 3 times: recorded number 1, gRPC string "1"'
    """
    times = f", {difference.times} times" if difference.times > 1 else ""
    both = f"recorded {_shown(difference.legacy)}, gRPC {_shown(difference.grpc)}"
    return f"{difference.path}  {difference.kind.value}{times}: {both}"


def _shown(excerpt: Excerpt) -> str:
    if excerpt.text:
        return f"{excerpt.type} {excerpt.text}"
    return f"{excerpt.type} of {excerpt.length}" if excerpt.length else excerpt.type


def _xml_text(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
