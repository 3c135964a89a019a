# SPDX-License-Identifier: MIT
"""gatelib.verdict on seeded noise: how often it is wrong."""
import math
import random
import unittest

import here  # noqa: F401
from gatelib import verdict
from gatelib.verdict import FASTER, OPEN, SAME, SLOWER, Judgement, Rule

RULE = Rule()


def normal(rng, sigma):
    """Three arms of one block with independent noise."""
    return lambda n: [rng.gauss(0, sigma) for _ in range(3)]


def heavy(rng, sigma):
    """Student's t with two degrees of freedom."""
    return lambda n: [sigma * rng.gauss(0, 1) / math.sqrt(rng.gammavariate(1, 1)) for _ in range(3)]


def spikes(rng, sigma):
    """One measurement in twenty takes half as long again."""
    return lambda n: [rng.gauss(0, sigma) + (0.4 if rng.random() < 0.05 else 0.0) for _ in range(3)]


def drift(rng, sigma):
    """The machine becomes slower by 30 % during the run: all arms of a block see it."""
    return lambda n: [0.007 * n + rng.gauss(0, sigma) for _ in range(3)]


def two_states(rng, sigma):
    """The machine flips between two speeds; now and then within a block."""
    state = [0.0]

    def block(n):
        values = []
        for _ in range(3):
            if rng.random() < 0.02:
                state[0] = 0.3 - state[0]
            values.append(state[0] + rng.gauss(0, sigma))
        rng.shuffle(values)
        return values
    return block


def one_round(block, shift, benchmarks=3):
    blocks = []
    for n in range(RULE.max_blocks):
        a, b, c = block(n)
        blocks.append({"A": a, "B": b + shift, "C": c})
        if verdict.ready(len(blocks), RULE):
            found = verdict.judge(blocks, RULE, benchmarks, len(blocks) == RULE.max_blocks)
            if found.state != OPEN:
                break
    return found


def compared(block, shift):
    first = one_round(block, shift)
    second = one_round(block, shift, 1) if first.state in (SLOWER, FASTER) else None
    return verdict.combine(first, second, RULE)[0]


def count(noise, sigma, shift, what, runs=400):
    rng = random.Random(3)
    block = noise(rng, sigma)
    return sum(compared(block, shift) == what for _ in range(runs))


class Simulated(unittest.TestCase):
    def test_no_false_alarm(self):
        for noise in (normal, heavy, spikes, drift, two_states):
            for sigma in (0.004, 0.02, 0.05):
                self.assertEqual(count(noise, sigma, 0.0, verdict.REGRESSION), 0, (noise.__name__, sigma))

    def test_a_change_of_the_minimum_effect_is_no_alarm(self):
        self.assertLessEqual(count(normal, 0.01, RULE.min_effect, verdict.REGRESSION), 2)

    def test_five_percent_is_found(self):
        for noise, sigma in ((normal, 0.005), (normal, 0.012), (heavy, 0.005), (spikes, 0.005), (drift, 0.01),
                             (two_states, 0.01)):
            self.assertGreaterEqual(count(noise, sigma, math.log(1.05), verdict.REGRESSION), 396, (noise.__name__, sigma))

    def test_five_percent_never_passes(self):
        for noise in (normal, heavy, spikes, drift, two_states):
            for sigma in (0.01, 0.03, 0.1):
                self.assertLessEqual(count(noise, sigma, math.log(1.05), verdict.PASS), 4, (noise.__name__, sigma))

    def test_improvement(self):
        self.assertGreaterEqual(count(normal, 0.01, math.log(0.93), verdict.IMPROVEMENT), 396)


class Judged(unittest.TestCase):
    def blocks(self, n, d, e=0.0, sigma=0.002):
        rng = random.Random(1)
        return [{"A": rng.gauss(0, sigma), "B": d + e / 2 + rng.gauss(0, sigma), "C": e + rng.gauss(0, sigma)}
                for _ in range(n)]

    def test_effects(self):
        d, e = verdict.effects({"A": 1.0, "B": 2.0, "C": 1.5})
        self.assertAlmostEqual(d, 0.75)
        self.assertAlmostEqual(e, 0.5)

    def test_states(self):
        for d, state in ((0.0, SAME), (0.05, SLOWER), (-0.05, FASTER), (0.02, OPEN)):
            self.assertEqual(verdict.judge(self.blocks(8, d), RULE, 3).state, state, d)

    def test_copy_that_differs_decides_nothing(self):
        for d in (0.0, 0.05, -0.05):
            for last in (False, True):
                self.assertEqual(verdict.judge(self.blocks(12, d, 0.03), RULE, 3, last).state, OPEN)

    def test_more_benchmarks_need_more(self):
        blocks = self.blocks(8, 0.03, sigma=0.004)
        self.assertGreater(verdict.judge(blocks, RULE, 1).low, verdict.judge(blocks, RULE, 50).low)

    def test_noise_at_the_end_is_inconclusive(self):
        self.assertEqual(verdict.judge(self.blocks(40, 0.0, sigma=0.2), RULE, 3, True).state, OPEN)


class Combined(unittest.TestCase):
    def judgement(self, state, copy=0.0):
        return Judgement(state, 0.05, 0.04, 0.06, copy, 0.01, 8)

    def test_table(self):
        table = (
            (SAME, None, verdict.PASS), (SLOWER, SLOWER, verdict.REGRESSION), (SLOWER, SAME, verdict.PASS),
            (SLOWER, OPEN, verdict.INCONCLUSIVE), (SLOWER, FASTER, verdict.INCONCLUSIVE),
            (SLOWER, None, verdict.INCONCLUSIVE), (FASTER, FASTER, verdict.IMPROVEMENT), (FASTER, SAME, verdict.PASS),
            (FASTER, SLOWER, verdict.PASS), (OPEN, None, verdict.INCONCLUSIVE))
        for first, second, wanted in table:
            two = second and self.judgement(second)
            self.assertEqual(verdict.combine(self.judgement(first), two, RULE)[0], wanted, (first, second))

    def test_reasons(self):
        self.assertIn("copy of base", verdict.combine(self.judgement(OPEN, 0.03), None, RULE)[1])
        self.assertIn("too noisy", verdict.combine(self.judgement(OPEN), None, RULE)[1])

    def test_percent(self):
        self.assertEqual(verdict.percent(math.log(1.05)), "+5.0 %")
        self.assertEqual(verdict.percent(math.log(0.5)), "-50.0 %")
        self.assertEqual(verdict.percent(math.inf), "?")


if __name__ == "__main__":
    unittest.main()
