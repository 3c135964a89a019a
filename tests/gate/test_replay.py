# SPDX-License-Identifier: MIT
"""gatelib.replay on noise that is known, and gatelib.selftest's judgement of verdicts."""
import math
import random
import types
import unittest

import here  # noqa: F401
from gatelib import replay, selftest, verdict


def recording(sigma, bias=0.0, n=300):
    """Blocks of three arms; the second is off by a bias."""
    rng = random.Random(5)
    return [[rng.gauss(0, sigma), bias + rng.gauss(0, sigma), rng.gauss(0, sigma)] for _ in range(n)]


class Replay(unittest.TestCase):
    def rates(self, found, comparisons=300):
        counts, alarms = replay.rates([{"x": found}], comparisons)
        return counts[math.log1p(replay.INJECTED)]["x"], counts[0.0]["x"], alarms

    def test_little_noise(self):
        slow, equal, alarms = self.rates(recording(0.01))
        self.assertGreaterEqual(slow[verdict.REGRESSION], 298)
        self.assertEqual((equal[verdict.REGRESSION], alarms), (0, 0))

    def test_much_noise_is_inconclusive(self):
        slow, equal, alarms = self.rates(recording(0.3), 100)
        self.assertGreaterEqual(slow[verdict.INCONCLUSIVE] + slow[verdict.REGRESSION], 98)
        self.assertEqual(alarms, 0)

    def test_a_copy_keeps_its_place_for_a_round(self):
        # A copy that is always slow is head in a third of the rounds: in one comparison of nine twice, a false alarm.
        slow, _, alarms = self.rates(recording(0.001, 0.08))
        self.assertTrue(15 <= alarms <= 55, alarms)
        self.assertLess(slow[verdict.REGRESSION], 100)

    def test_benchmarks_of_a_round_share_its_copies(self):
        # All benchmarks are alarms, or none is; and they come from one recorded round.
        rounds = [{name: recording(0.001, bias, 40) for name in "xyz"} for bias in (0.0, 0.08)]
        rng = random.Random(2)
        for _ in range(60):
            states = {j.state for j in replay.one_round(rounds, list("xyz"), 0.0, verdict.Rule(), rng).values()}
            self.assertEqual(len(states), 1, states)

    def test_neighbours_stay_together(self):
        blocks = replay.draw([[float(i)] * 3 for i in range(100)], 40, [0, 1, 2], 0.0, random.Random(1))
        steps = [b["A"] - a["A"] for a, b in zip(blocks, blocks[1:])]
        self.assertGreaterEqual(steps.count(1.0), 28)

    def test_recorded_rounds_are_whole(self):
        rounds = replay.load()
        for found in rounds:
            self.assertEqual(found.keys(), rounds[0].keys())
            self.assertTrue(all(len(blocks) >= verdict.Rule().min_blocks for blocks in found.values()))


class Outcome(unittest.TestCase):
    def outcome(self, kind, **verdicts):
        names = {"gemm": selftest.GEMM, "add": selftest.ADD, "step": selftest.STEP}
        results = [types.SimpleNamespace(name=names[k], verdict=v) for k, v in
                   {"gemm": "pass", "add": "pass", "step": "pass", **verdicts}.items()]
        return selftest.outcome(kind, types.SimpleNamespace(results=results))

    def test_table(self):
        for kind, verdicts, wanted in (
                ("same", {}, selftest.CLEAN), ("same", {"add": "inconclusive"}, selftest.UNDECIDED),
                ("same", {"add": "regression"}, selftest.FALSE_ALARM), ("same", {"add": "improvement"}, selftest.FALSE_ALARM),
                ("kernel-5", {}, selftest.MISSED), ("kernel-5", {"gemm": "regression"}, selftest.CAUGHT),
                ("kernel-5", {"gemm": "regression", "step": "regression"}, selftest.CAUGHT),
                ("kernel-5", {"gemm": "regression", "add": "regression"}, selftest.FALSE_ALARM),
                ("kernel-5", {"step": "regression"}, selftest.MISSED),
                ("kernel-5", {"gemm": "improvement"}, selftest.MISSED),
                ("thread-5", {"step": "inconclusive"}, selftest.UNDECIDED),
                ("hog:barrier-5", {"step": "regression"}, selftest.CAUGHT)):
            self.assertEqual(self.outcome(kind, **verdicts), wanted, (kind, verdicts))


if __name__ == "__main__":
    unittest.main()
