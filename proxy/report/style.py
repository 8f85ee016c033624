"""How the page looks: colours for light and dark, and what a narrow window or paper changes.

Belongs here: one sheet, kept within the page. Does not: markup (`html`).
"""

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2126; --faint: #5b6670; --paper: #fff; --line: #dfe3e8;
  --band: #f5f7f9; --good: #17713a; --bad: #b3261e; --wait: #8a5a00; --match: #2f8f5b;
  --rules: #8fc7a6; --noise: #b8bec6; --transient: #d9a441; --mismatch: #c73a31; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --faint: #9aa5b1; --paper: #14181c;
  --line: #2c343c; --band: #1b2127; --good: #62c98d; --bad: #ff8a80; --wait: #f0b849;
  --match: #3fa66c; --rules: #2c6b47; --noise: #59636e; --transient: #b98a2e;
  --mismatch: #e5534b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
header { display: flex; align-items: baseline; gap: 1rem; flex-wrap: wrap; }
h1 { font-size: 1.35rem; margin: 0; }
h2 { font-size: 1.25rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p { margin: .25rem 0 .5rem; }
ul { margin: .5rem 0; padding-left: 1.25rem; overflow-wrap: anywhere; }
article { border-top: 3px solid var(--line); margin-top: 2.5rem; padding-top: 1.5rem; }
code { font: .92em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
  overflow-wrap: break-word; }
td code { display: inline-block; max-width: 30rem; }
td a code { display: inline; white-space: nowrap; }
.overview td:last-child { min-width: 16rem; }
a { color: inherit; }
.faint { color: var(--faint); }
.badge { display: inline-block; padding: 0 .6em; border-radius: 1em; border: 1px solid;
  font-size: .8rem; font-weight: 600; white-space: nowrap; color: var(--faint); }
.badge.pass { color: var(--good); }
.badge.fail { color: var(--bad); }
.badge.inconclusive { color: var(--wait); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; min-width: min(100%, 38rem); }
th { text-align: left; font-weight: 600; color: var(--faint); font-size: .85rem;
  white-space: nowrap; }
th, td { padding: .35rem .75rem .35rem .25rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
tbody tr:hover { background: var(--band); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.detail { display: block; color: var(--faint); font-size: .85rem; }
tr.good td:first-child, tr.good td:last-child { color: var(--good); }
tr.bad td { color: var(--bad); }
tr.wait td:first-child, tr.wait td:last-child { color: var(--wait); }
tr.bad .detail, tr.weak td { color: var(--faint); }
figure { margin: .75rem 0; }
svg { display: block; width: 100%; }
figcaption { color: var(--faint); font-size: .85rem; margin-top: .35rem; display: flex;
  flex-wrap: wrap; gap: .15rem 1rem; }
figcaption i { display: inline-block; width: .7em; height: .7em; border-radius: 2px;
  margin-right: .4em; }
rect.match { fill: var(--match); } i.match { background: var(--match); }
rect.match_with_rules { fill: var(--rules); } i.match_with_rules { background: var(--rules); }
rect.noise { fill: var(--noise); } i.noise { background: var(--noise); }
rect.transient { fill: var(--transient); } i.transient { background: var(--transient); }
rect.mismatch { fill: var(--mismatch); } i.mismatch { background: var(--mismatch); }
rect.scale { fill: var(--line); } rect.limit { fill: var(--ink); } rect.seen { fill: var(--faint); }
rect.within { fill: var(--match); } rect.beyond { fill: var(--mismatch); }
rect.open { fill: var(--transient); }
@media print { article { break-inside: avoid-page; } .wide { overflow: visible; } }
"""
