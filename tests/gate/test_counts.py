# SPDX-License-Identifier: MIT
"""gatelib.counts: what counts as a difference."""
import copy
import unittest

import here  # noqa: F401
from gatelib import counts

GOOD = {"compiler": "cc 12", "counts": {
    "mlp": {"flops": 1000, "barriers": 50, "allocations": 0, "peak_bytes": 100000},
    "mlp, instructions": {"instructions": 1000000}}}


class Differences(unittest.TestCase):
    def changed(self, name, field, value):
        found = copy.deepcopy(GOOD)
        found["counts"][name][field] = value
        return counts.differences(GOOD, found)[0]

    def test_equal(self):
        self.assertEqual(counts.differences(GOOD, GOOD), ([], []))

    def test_exact_fields(self):
        for field, value in (("flops", 1001), ("barriers", 49), ("allocations", 1)):
            self.assertEqual(len(self.changed("mlp", field, value)), 1, field)

    def test_bounds(self):
        self.assertEqual(self.changed("mlp", "peak_bytes", 101000), [])
        self.assertIn("(+1.10 %)", self.changed("mlp", "peak_bytes", 101100)[0])
        self.assertEqual(self.changed("mlp, instructions", "instructions", 990000), [])
        self.assertEqual(len(self.changed("mlp, instructions", "instructions", 1010001)), 1)

    def test_cases_that_come_or_go(self):
        less = {"compiler": "cc 12", "counts": {"mlp, instructions": {"instructions": 1000000}}}
        self.assertEqual(len(counts.differences(GOOD, less)[0]), 4)
        self.assertEqual(len(counts.differences(less, GOOD)[0]), 4)

    def test_instructions_of_another_compiler(self):
        other = copy.deepcopy(GOOD)
        other["compiler"] = "cc 13"
        other["counts"]["mlp, instructions"]["instructions"] = 5
        lines, skipped = counts.differences(GOOD, other)
        self.assertEqual((lines, len(skipped)), ([], 1))

    def test_no_valgrind(self):
        other = copy.deepcopy(GOOD)
        del other["counts"]["mlp, instructions"]
        lines, skipped = counts.differences(GOOD, other)
        self.assertEqual((lines, len(skipped)), ([], 1))


if __name__ == "__main__":
    unittest.main()
