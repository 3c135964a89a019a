# SPDX-License-Identifier: MIT
"""From samples to a verdict: what one benchmark's blocks say, and when sampling may end.

A block times base, head and a byte copy of base (arms A, B, C). Of the logarithms of their times

    d = B - (A + C) / 2   is the effect: head against base
    e = C - A             is the control: it is zero but for what the gate cannot hold still

If the three are alike, d is symmetric around zero and uncorrelated with e.
"""
import dataclasses
import math

from . import stats

ARMS = "ABC"
SLOWER, FASTER, SAME, OPEN = "slower", "faster", "same", "open"


@dataclasses.dataclass(frozen=True)
class Rule:
    """The limits of a decision; effects are natural logarithms of time ratios (0.02: 2 %)."""
    min_effect: float = 0.02  # a smaller slowdown is no alarm
    tolerance: float = 0.05   # without alarm, a slowdown of this size must be excluded
    copy_limit: float = 0.015  # base and its copy may differ by this
    alarm: float = 0.01       # chance that any of all benchmarks is wrongly called slower in a round; two must agree
    miss: float = 0.001       # chance that a slowdown beyond the upper end is missed
    looks: tuple = (8, 12, 18, 27, 40)  # numbers of blocks after which a decision may fall

    @property
    def min_blocks(self):
        return self.looks[0]

    @property
    def max_blocks(self):
        return self.looks[-1]


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What the blocks so far say of one benchmark."""
    state: str
    estimate: float
    low: float   # one-sided bound, corrected for the number of benchmarks and of looks
    high: float  # one-sided bound, of this benchmark alone
    copy: float  # copy of base against base
    noise: float  # spread of d from block to block
    blocks: int


def effects(block):
    """(d, e) of a block {arm: log time}."""
    return block["B"] - 0.5 * (block["A"] + block["C"]), block["C"] - block["A"]


def judge(blocks, rule, benchmarks, last=False):
    """Judge one of `benchmarks` benchmarks by its blocks (at least rule.min_blocks). last: no more blocks will come."""
    pairs = [effects(block) for block in blocks]
    estimate, error, df = stats.trimmed([d for d, _ in pairs])
    copy = stats.trimmed([e for _, e in pairs])[0]
    margin = stats.t_quantile(rule.alarm / (benchmarks * len(rule.looks)), df) * error
    low, high = estimate - margin, estimate + stats.t_quantile(rule.miss, df) * error
    if abs(copy) > rule.copy_limit:
        state = OPEN
    elif low > rule.min_effect:
        state = SLOWER
    elif estimate + margin < -rule.min_effect:
        state = FASTER
    elif high < rule.tolerance if last else max(high, high - 2 * estimate) < rule.min_effect:
        state = SAME
    else:
        state = OPEN
    return Judgement(state, estimate, low, high, copy, stats.spread([d for d, _ in pairs]), len(blocks))


def ready(blocks, rule):
    """May a decision fall after this many blocks?"""
    return blocks in rule.looks


REGRESSION, IMPROVEMENT, PASS, INCONCLUSIVE = "regression", "improvement", "pass", "inconclusive"


def combine(first, second, rule):
    """Verdict and reason of a benchmark after the first round and, where that found a change, the second (else None)."""
    if first.state == SAME:
        return PASS, ""
    if first.state == OPEN:
        if abs(first.copy) > rule.copy_limit:
            return INCONCLUSIVE, f"the copy of base differs from base by {percent(first.copy)}"
        return INCONCLUSIVE, f"too noisy: a slowdown of {percent(first.high)} cannot be excluded"
    if second and second.state == first.state:
        return (REGRESSION if first.state == SLOWER else IMPROVEMENT), ""
    if first.state == FASTER or (second and second.state == SAME):
        return PASS, "the second round did not confirm a change"
    return INCONCLUSIVE, "slower in the first round, no decision in the second"


def percent(log_ratio, digits=1):
    """+2.0 % of a log-ratio."""
    if not math.isfinite(log_ratio):
        return "?"
    return f"{100 * math.expm1(log_ratio):+.{digits}f} %"
