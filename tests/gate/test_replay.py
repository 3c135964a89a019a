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
        counts, alarms = replay.rates({"x": found}, comparisons)
        return counts[math.log1p(replay.INJECTED)]["x"], counts[0.0]["x"], alarms

    def test_little_noise(self):
        slow, equal, alarms = self.rates(recording(0.01))
        self.assertGreaterEqual(slow[verdict.REGRESSION], 298)
        self.assertEqual((equal[verdict.REGRESSION], alarms), (0, 0))

    def test_much_noise_is_inconclusive(self):
        slow, equal, alarms = self.rates(recording(0.3), 100)
        self.assertGreaterEqual(slow[verdict.INCONCLUSIVE] + slow[verdict.REGRESSION], 98)
        self.assertEqual(alarms, 0)

    def test_names_of_arms_are_drawn(self):
        # A recording whose second arm is always slow cannot be told from noise: no alarm, and no detection either.
        slow, _, alarms = self.rates(recording(0.001, 0.08), 100)
        self.assertEqual(alarms, 0)
        self.assertLess(slow[verdict.REGRESSION], 100)

    def test_neighbours_stay_together(self):
        blocks = replay.draw([[float(i)] * 3 for i in range(100)], 40, 0.0, random.Random(1))
        steps = [b["A"] - a["A"] for a, b in zip(blocks, blocks[1:])]
        self.assertGreaterEqual(steps.count(1.0), 28)


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
