"""Reports for tests: as they come from evidence, and with all that an attacker can name."""

from dataclasses import replace
from datetime import date
from typing import Any

from proxy.comparison.kinds import Kind
from proxy.gate.evidence import RouteEvidence, Verdict
from proxy.gate.judgement import judge
from proxy.gate.options import GateOptions
from proxy.gate.report import RouteFacts, RuleFacts, route_report
from tests.gate.evidence import FIELDS, GOOD, NOW_S, difference, evidence

FACTS = RouteFacts(
    name="get-order",
    rpc="shop.v1.OrderService.GetOrder",
    stage="shadow",
    percent=0.0,
    depth="rpc",
    mirror_percent=10.0,
    config_digest="d1",
    fields=FIELDS,
    rules=(
        RuleFacts("$.order.updateTime timestamp", "timestamp", "clocks", date(2026, 10, 1)),
        RuleFacts("$.order.tags set", "set", "no order"),
    ),
    gate=GateOptions(),
)
DIFFERENT = evidence(
    verdicts={**GOOD.verdicts, Verdict.MISMATCH: 30},
    mismatches=30,
    outcomes={**GOOD.outcomes, ("compared", ""): 9_395, ("not_comparable", "truncated"): 5},
    differences=(
        difference("$.order.note", count=400, mismatches=2, b=1, c=2, both=9),
        difference("$.order.total", Kind.INT64_STRING, count=30, mismatches=30, b=12),
        difference("$.order", Kind.TYPE, count=2, mismatches=2, examples=("ex_7f", "ex_80")),
    ),
    overflow={"shapes": 4},
)
#: Names that mean something to a terminal, to Markdown and to HTML; none may act.
EVIL = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "</style></title><svg onload=alert(1)>",
    "<link rel=stylesheet href=/evil.css><iframe src=/evil></iframe>",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; &#60;",
    "`code` | bar \\| [link](http://evil.example) ![i](x) **bold** _i_ # <b>",
    "\x1b[2J\x1b]0;owned\x07 \r\n\u202eback\u2066 \x00 \ud800 \u200b",
    "[red]markup[/red] [link=http://evil.example]x[/link] :boom:",
    "long." * 2_000,
)


def reported(found: RouteEvidence | None, facts: RouteFacts = FACTS) -> dict[str, Any]:
    judgement = judge(found, facts.gate, facts.fields, NOW_S) if facts.gate else None
    return route_report(facts, found, judgement, NOW_S)


def evil_report() -> dict[str, Any]:
    """A report in which every name that comes from outside is an attack."""
    differences = tuple(difference(f"$.{text}", Kind.TYPE, examples=(text,)) for text in EVIL)
    rules = tuple(RuleFacts(f"$.{text} ignore", "ignore", text) for text in EVIL)
    fields = frozenset(f"$.{text}" for text in EVIL)
    facts = replace(FACTS, rules=rules, fields=fields, uncompared=EVIL[0], name=EVIL[1])
    epoch = replace(GOOD.epoch, version=EVIL[0])
    outcomes = {**GOOD.outcomes, ("skipped", EVIL[1]): 2}
    found = evidence(differences=differences, epoch=epoch, outcomes=outcomes)
    return reported(replace(found, overflow=dict.fromkeys(EVIL, 1)), facts)


#: Reports of every shape, by what is special of them.
REPORTS = {
    "good": reported(GOOD),
    "different": reported(DIFFERENT),
    "few": reported(evidence(compared=1_500, keys=20)),
    "no evidence": reported(None),
    "no gate": reported(DIFFERENT, replace(FACTS, gate=None, stage="canary", percent=5.0)),
    "no mirror": reported(
        None, replace(FACTS, depth=None, mirror_percent=None, uncompared="no mirror", gate=None)
    ),
    "evil": evil_report(),
}
