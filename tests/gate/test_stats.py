# SPDX-License-Identifier: MIT
"""gatelib.stats against tables and simulation."""
import math
import random
import unittest

import here  # noqa: F401
from gatelib import stats


class Quantiles(unittest.TestCase):
    def test_student_table(self):
        # Upper tails of Student's t, from any printed table.
        for tail, df, t in ((0.05, 1, 6.3138), (0.025, 5, 2.5706), (0.01, 10, 2.7638), (0.001, 8, 4.5008),
                            (0.0005, 30, 3.6460), (0.005, 120, 2.6174)):
            self.assertAlmostEqual(stats.t_quantile(tail, df), t, places=3)

    def test_tail_is_the_inverse(self):
        for df in (3, 5, 17, 60):
            for tail in (0.2, 1e-3, 1e-6):
                self.assertAlmostEqual(stats.t_tail(stats.t_quantile(tail, df), df) / tail, 1.0, places=9)

    def test_beta(self):
        self.assertAlmostEqual(stats.beta_regularised(2, 3, 0.4), 0.5248, places=4)
        self.assertEqual(stats.beta_regularised(2, 3, 0.0), 0.0)
        self.assertEqual(stats.beta_regularised(2, 3, 1.0), 1.0)

    def test_binomial_limit(self):
        # The rule of three, and the counts of docs/gate.md.
        self.assertAlmostEqual(stats.binomial_upper(0, 59), 0.0495, places=3)
        self.assertAlmostEqual(stats.binomial_upper(0, 299), 0.00997, places=4)
        self.assertAlmostEqual(stats.binomial_upper(1, 20), 0.2161, places=3)
        self.assertEqual(stats.binomial_upper(5, 5), 1.0)


class Robust(unittest.TestCase):
    def test_median_and_spread(self):
        self.assertEqual(stats.median([3, 1, 2]), 2)
        self.assertEqual(stats.median([4, 1, 2, 3]), 2.5)
        self.assertAlmostEqual(stats.spread([1, 2, 3, 4, 1000]), 1.4826)

    def test_trimmed_by_hand(self):
        # n = 10, two values go at each end: mean of 3..8; winsorised 3 3 3 4 5 6 7 8 8 8, squares 40.5.
        mean, error, df = stats.trimmed([1, 2, 3, 4, 5, 6, 7, 8, 9, 1e9])
        self.assertAlmostEqual(mean, 5.5)
        self.assertAlmostEqual(error, math.sqrt(42.5 / 30))
        self.assertEqual(df, 5)

    def test_interval_covers(self):
        # A one-sided 1 % bound fails about 1 % of the time for normal values, and not more for heavy tails.
        rng = random.Random(7)
        for draw in (lambda: rng.gauss(0, 1), lambda: rng.gauss(0, 1) / math.sqrt(rng.gammavariate(1, 1)),
                     lambda: rng.gauss(0, 1) * (20 if rng.random() < 0.1 else 1)):
            missed = 0
            for _ in range(4000):
                mean, error, df = stats.trimmed([draw() for _ in range(12)])
                missed += mean - stats.t_quantile(0.01, df) * error > 0
            self.assertLess(missed / 4000, 0.016)


if __name__ == "__main__":
    unittest.main()
