# SPDX-License-Identifier: MIT
"""Error rates on recorded noise: thousands of comparisons resampled from rounds of a program against itself.

The recording holds rounds: for each benchmark the logarithms of the times of three equal arms, block by block. An arm is
one copy of the program for a whole round, and may be a little faster than the others all the time. So a synthetic round
is one recorded round: it draws runs of its neighbouring blocks (what comes together stays together), names the three arms
at random once, for all benchmarks, and adds the injected slowdown to head. It goes through the same looks as a live one,
and a change must be found in a second recorded round, too.
"""
import gzip
import json
import math
import os
import random
import time

from . import stats, verdict

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "noise.json.gz")
COMPARISONS, INJECTED, RUN = 10000, 0.05, 4
LIMIT_FALSE, LIMIT_FOUND = 0.001, 0.99
RULE = verdict.Rule(looks=(24,))  # of a recording: no round ends early because it looks good


def load(path=FILE):
    """The rounds: [{benchmark: [[a, b, c] of each block]}]."""
    with gzip.open(path, "rt", encoding="ascii") as f:
        return json.load(f)


def add(comparison):
    """Add the first round of a comparison of equal programs to the recording."""
    rounds = load() if os.path.exists(FILE) else []
    rounds.append({r.name: [[round(b[arm], 4) for arm in verdict.ARMS] for b in r.blocks[:r.first.blocks]]
                   for r in comparison.results})
    with open(FILE, "wb") as f, gzip.GzipFile("", "wb", fileobj=f, mtime=0) as packed:
        packed.write(json.dumps(rounds, separators=(",", ":")).encode("ascii"))


def draw(blocks, count, arms, shift, rng):
    """`count` blocks of a benchmark as verdict.judge wants them; arms: which of the three are A, B and C; head is slower
    by `shift`."""
    drawn = []
    while len(drawn) < count:
        start = rng.randrange(len(blocks))
        for k in range(RUN):
            a, b, c = (blocks[(start + k) % len(blocks)][arm] for arm in arms)
            drawn.append({"A": a, "B": b + shift, "C": c})
    return drawn[:count]


def judged(blocks, arms, shift, rule, benchmarks, rng):
    """The judgement of a round of one benchmark."""
    drawn = []
    for look in rule.looks:
        drawn += draw(blocks, look - len(drawn), arms, shift, rng)
        found = verdict.judge(drawn, rule, benchmarks, look == rule.max_blocks)
        if found.state != verdict.OPEN:
            break
    return found


def one_round(rounds, names, shift, rule, rng):
    """The judgements of some benchmarks: {benchmark: judgement}."""
    recorded, arms = rng.choice(rounds), rng.sample(range(3), 3)
    return {name: judged(recorded[name], arms, shift, rule, len(names), rng) for name in names}


def comparison(rounds, shift, rule, rng):
    """Verdicts of one synthetic comparison: {benchmark: verdict}; the slowdown is in every benchmark."""
    first = one_round(rounds, list(rounds[0]), shift, rule, rng)
    changed = [name for name, j in first.items() if j.state in (verdict.SLOWER, verdict.FASTER)]
    second = one_round(rounds, changed, shift, rule, rng)
    return {name: verdict.combine(j, second.get(name), rule)[0] for name, j in first.items()}


def rates(rounds, comparisons=COMPARISONS, rule=verdict.Rule(), seed=1):
    """Counts of verdicts: {shift: {benchmark: {verdict: count}}}, and comparisons with any false alarm."""
    rng = random.Random(seed)
    counts, alarms = {}, 0
    for shift in (0.0, math.log1p(INJECTED)):
        counts[shift] = {name: dict.fromkeys((verdict.REGRESSION, verdict.IMPROVEMENT, verdict.PASS,
                                              verdict.INCONCLUSIVE), 0) for name in rounds[0]}
        for _ in range(comparisons):
            found = comparison(rounds, shift, rule, rng)
            for name, what in found.items():
                counts[shift][name][what] += 1
            alarms += not shift and verdict.REGRESSION in found.values()
    return counts, alarms


def offset(blocks):
    """How far the copies of a round lie apart: the largest difference of two arms' medians over all blocks."""
    medians = [stats.median([block[arm] - sum(block) / 3 for block in blocks]) for arm in range(3)]
    return max(medians) - min(medians)


def run():
    """Print the rates; exit code 1 when they are beyond the limits."""
    start = time.monotonic()
    rounds = load()
    counts, alarms = rates(rounds)
    good = alarms <= LIMIT_FALSE * COMPARISONS
    print(f"{COMPARISONS} comparisons of a program with itself, resampled from {len(rounds)} recorded rounds: {alarms} false "
          f"alarms")
    for name in rounds[0]:
        noise = stats.median([stats.spread([b - 0.5 * (a + c) for a, b, c in r[name]]) for r in rounds])
        apart = sorted(offset(r[name]) for r in rounds)
        found = counts[math.log1p(INJECTED)][name]
        share = found[verdict.REGRESSION] / COMPARISONS
        good &= share >= LIMIT_FOUND
        print(f"{name}: spread {100 * noise:.1f} %, copies of a round apart by {100 * stats.median(apart):.1f} % (at most "
              f"{100 * apart[-1]:.1f} %); slower by 5 %: found {100 * share:.2f} %, inconclusive "
              f"{found[verdict.INCONCLUSIVE]}, passed {found[verdict.PASS]}; equal: inconclusive "
              f"{counts[0.0][name][verdict.INCONCLUSIVE]}")
    print(f"{time.monotonic() - start:.0f} s")
    return 0 if good else 1
