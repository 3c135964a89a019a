# SPDX-License-Identifier: MIT
"""What a person reads in a minute: Markdown for a pull request, a page of HTML with the distributions, JSON."""
import dataclasses
import html
import json
import math
import os

from . import session, stats, verdict
from .verdict import IMPROVEMENT, INCONCLUSIVE, PASS, REGRESSION, percent

MARK = {REGRESSION: "🔴 slower", IMPROVEMENT: "🟢 faster", INCONCLUSIVE: "🟡 inconclusive", PASS: "pass"}
ORDER = (REGRESSION, INCONCLUSIVE, IMPROVEMENT, PASS)
COLOUR = {REGRESSION: "#c62828", IMPROVEMENT: "#2e7d32", INCONCLUSIVE: "#b7791f", PASS: "#546e7a"}


@dataclasses.dataclass
class Named:
    """A comparison and what was compared."""
    comparison: session.Comparison
    base: str
    head: str

    def sorted(self):
        return sorted(self.comparison.results, key=lambda r: ORDER.index(r.verdict))


def headline(named):
    """The verdict in one line."""
    count = {v: sum(r.verdict == v for r in named.comparison.results) for v in ORDER}
    total = len(named.comparison.results)
    what = {0: "No regression", 1: "Regression", 3: "Inconclusive"}[session.exit_code(named.comparison)]
    parts = [f"{count[v]} {word}" for v, word in ((REGRESSION, "slower"), (INCONCLUSIVE, "inconclusive"),
                                                   (IMPROVEMENT, "faster"), (PASS, "unchanged")) if count[v]]
    return f"{what}: of {total} benchmark{'s' * (total != 1)} {', '.join(parts)}"


def duration(ns):
    """1.23 us."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def base_time(result):
    return math.exp(stats.median([b["A"] for b in result.blocks]))


def judged(result):
    """The round that a reader wants to see: the second confirms the first."""
    return result.second if result.second and result.verdict in (REGRESSION, IMPROVEMENT) else result.first


def _row(r):
    j = judged(r)
    return (f"| `{r.name}` | {MARK[r.verdict]} | {percent(j.estimate)} | {percent(j.low)} .. {percent(j.high)} | "
            f"{percent(j.copy)} | {100 * j.noise:.1f} % | {duration(base_time(r))} | {len(r.blocks)} |")


def _footnote(named, reasons=True):
    c = named.comparison
    lines = [f"`{r.name}`: {r.reason}" for r in named.sorted() if r.reason and reasons]
    lines += [f"`{name}`: new in head, not compared" for name in c.added]
    if c.disturbances["throttled"]:
        lines.append(f"a CPU quota stopped the machine {c.disturbances['throttled']} times during the run")
    if c.disturbances["stolen_seconds"] > 0.01 * c.seconds:
        lines.append(f"the host took {c.disturbances['stolen_seconds']:.1f} s of CPU time")
    return lines


def markdown(named):
    """A table for a pull-request comment."""
    head = ["| benchmark | verdict | head / base | sure | copy / base | noise | time | blocks |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    first = [r for r in named.sorted() if r.verdict != PASS]
    rest = [r for r in named.sorted() if r.verdict == PASS]
    lines = [f"**{headline(named)}** ({named.base} → {named.head}, {named.comparison.seconds:.0f} s on "
             f"{named.comparison.machine['cpus']} CPUs, {named.comparison.machine['cpu']})", ""]
    if first or len(rest) <= 12:
        lines += head + [_row(r) for r in first] + ([_row(r) for r in rest] if len(rest) <= 12 else []) + [""]
    if len(rest) > 12:
        lines += [f"<details><summary>{len(rest)} unchanged</summary>", "", *head, *map(_row, rest), "", "</details>", ""]
    lines += [f"- {line}" for line in _footnote(named)] + [""] * bool(_footnote(named))
    lines += ["*sure*: the change lies in this interval. *copy*: base against a copy of itself, the same program; it "
              "should read 0. *noise*: spread of a single block."]
    return "\n".join(lines) + "\n"


def _scale(results):
    """Half the width of all drawings, as a log-ratio: what lies beyond is drawn at the edge. Decided benchmarks set it: nine of
    ten of their points lie inside, at least 4 %."""
    decided = [r for r in results if r.verdict != INCONCLUSIVE] or results
    points = sorted(abs(v) for r in decided for b in r.blocks for v in verdict.effects(b))
    estimates = [abs(judged(r).estimate) for r in decided]
    return min(max(points[int(0.9 * (len(points) - 1))], *estimates, 0.04) * 1.2, 0.5)


WIDTH, LEFT, BOTTOM = 520, 40, 58  # of a drawing: all, labels, lower edge of the field


def _svg(result, scale):
    """Two rows of dots, one for each block: head against base, and base's copy against base; the interval above."""
    middle = (LEFT + WIDTH) / 2
    unit = (WIDTH - LEFT - 16) / 2 / scale
    colour = COLOUR[result.verdict]
    j = judged(result)

    def x(v):
        return f"{middle + unit * max(-scale, min(scale, v)):.1f}"

    parts = [f'<svg viewBox="0 0 {WIDTH} 74" width="{WIDTH}" height="74" role="img" '
             f'aria-label="{html.escape(result.name)}: {percent(j.estimate)}">',
             f'<rect x="{x(-0.02)}" y="0" width="{unit * 0.04:.1f}" height="{BOTTOM}" fill="#eceff1"/>',
             f'<line x1="{middle}" y1="0" x2="{middle}" y2="{BOTTOM}" stroke="#90a4ae"/>']
    for row, (label, index, paint) in enumerate((("head", 0, colour), ("copy", 1, "#90a4ae"))):
        y = 22 + 22 * row
        parts.append(f'<text x="2" y="{y + 4}" class="s">{label}</text>')
        for n, block in enumerate(result.blocks):
            v = verdict.effects(block)[index]
            look = f'fill="{paint}" fill-opacity="0.6"' if abs(v) <= scale else f'fill="none" stroke="{paint}"'
            parts.append(f'<circle cx="{x(v)}" cy="{y + (n * 7) % 11 - 5}" r="2.6" {look}/>')
    parts.append(f'<line x1="{x(j.low)}" y1="8" x2="{x(j.high)}" y2="8" stroke="{colour}" stroke-width="2"/>'
                 f'<circle cx="{x(j.estimate)}" cy="8" r="4" fill="{colour}"/>')
    step = next(s for s in (1, 2, 5, 10, 20) if 100 * scale / s < 5)
    parts += [f'<text x="{x(math.log1p(k / 100))}" y="71" class="s" text-anchor="middle">{k:+d} %</text>'
              for k in range(-step * 5, step * 5 + 1, step) if abs(math.log1p(k / 100)) < 0.95 * scale]
    return "".join(parts) + "</svg>"


STYLE = """body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#263238}
h1{font-size:1.35rem}table{border-collapse:collapse;width:100%}td,th{padding:.35rem .6rem;text-align:left;
border-bottom:1px solid #eceff1;vertical-align:middle}td.n{text-align:right;white-space:nowrap}code{font-size:.9em}
.s{font-size:10px;fill:#78909c}small{color:#78909c}"""


def page(named):
    """A self-contained page of HTML."""
    c = named.comparison
    code = session.exit_code(c)
    colour = COLOUR[{0: PASS, 1: REGRESSION, 3: INCONCLUSIVE}[code]]
    scale = _scale(c.results)
    rows = []
    for r in named.sorted():
        j = judged(r)
        rows.append(f'<tr><td><code>{html.escape(r.name)}</code><br><b style="color:{COLOUR[r.verdict]}">{MARK[r.verdict]}</b> '
                    f'<small>{html.escape(r.reason)}</small></td><td class="n"><b>{percent(j.estimate)}</b><br>'
                    f'<small>{percent(j.low)} .. {percent(j.high)}<br>{duration(base_time(r))}, {len(r.blocks)} blocks'
                    f'</small></td><td>{_svg(r, scale)}</td></tr>')
    notes = "".join(f"<li>{html.escape(line.replace('`', ''))}</li>" for line in _footnote(named, reasons=False))
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(headline(named))}</title>'
            f'<style>{STYLE}</style><h1 style="color:{colour}">{html.escape(headline(named))}</h1>'
            f'<p>{html.escape(named.base)} → {html.escape(named.head)}, {c.seconds:.0f} s on {c.machine["cpus"]} CPUs, '
            f'{html.escape(c.machine["cpu"])}, {html.escape(c.machine["system"])}</p>'
            '<p>A dot is a block: time of head against base above, of a copy of base against base below (the same program: '
            'its spread is the noise). The bar is the interval in which the change lies; grey is ±2 %, below which nothing '
            'is an alarm; hollow dots lie beyond the edge. Right is slower.</p>'
            f'<table>{"".join(rows)}</table><ul>{notes}</ul></html>\n')


def machine_readable(named):
    """Everything, for machines; times as natural logarithms of nanoseconds, clock: of the calibration kernel."""
    c = named.comparison
    return {"base": named.base, "head": named.head, "exit_code": session.exit_code(c), "seconds": round(c.seconds, 1),
            "machine": c.machine, "disturbances": c.disturbances, "added": c.added,
            "benchmarks": [{"name": r.name, "verdict": r.verdict, "reason": r.reason,
                            "first": dataclasses.asdict(r.first),
                            "second": dataclasses.asdict(r.second) if r.second else None,
                            "base_ns": base_time(r),
                            "base_per_calibration": math.exp(stats.median([b["A"] - b["clock"] for b in r.blocks])),
                            "blocks": [{k: round(v, 5) for k, v in b.items()} for b in r.blocks]}
                           for r in c.results]}


def write_files(folder, texts):
    """{name: text} into a folder."""
    os.makedirs(folder, exist_ok=True)
    for name, text in texts.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)


def write(named, folder):
    """gate.md, gate.html and gate.json in a folder."""
    write_files(folder, {"gate.md": markdown(named), "gate.html": page(named),
                         "gate.json": json.dumps(machine_readable(named)) + "\n"})
