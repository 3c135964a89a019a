# SPDX-License-Identifier: MIT
"""gatelib.counts: what counts as a difference, and what is said of what was not compared."""
import contextlib
import copy
import io
import json
import os
import tempfile
import unittest
import unittest.mock

import here  # noqa: F401
from gatelib import counts
from gatelib.program import CannotMeasure

GOOD = {"compiler": "cc 12", "counts": {
    "mlp": {"flops": 1000, "barriers": 50, "allocations": 0, "peak_bytes": 100000},
    "mlp, instructions": {"instructions": 1000000}}}


class Differences(unittest.TestCase):
    def changed(self, name, field, value):
        found = copy.deepcopy(GOOD)
        found["counts"][name][field] = value
        return counts.compare(GOOD, found).differences

    def test_equal(self):
        self.assertEqual(counts.compare(GOOD, GOOD), counts.Compared(2, [], []))

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
        self.assertEqual(len(counts.compare(GOOD, less).differences), 4)
        self.assertEqual(len(counts.compare(less, GOOD).differences), 4)

    def not_compared(self, found, why):
        """Instructions are not compared, which the one line says everywhere; the program's own counts still are."""
        result = counts.compare(GOOD, found)
        self.assertEqual((result.cases, result.differences), (1, []))
        self.assertEqual(len(result.not_compared), 1)
        self.assertRegex(result.not_compared[0], "^instructions NOT compared: .*" + why)
        self.assertEqual(counts.markdown(result).count(result.not_compared[0]), 1)
        found["counts"]["mlp"]["flops"] = 1001
        worse = counts.compare(GOOD, found)
        self.assertEqual((len(worse.differences), worse.not_compared), (1, result.not_compared))
        self.assertEqual(counts.markdown(worse).count(result.not_compared[0]), 1)

    def test_instructions_of_another_compiler(self):
        other = copy.deepcopy(GOOD)
        other["compiler"] = "cc 13"
        other["counts"]["mlp, instructions"]["instructions"] = 5
        self.not_compared(other, "compiled by cc 13, those of the file by cc 12")

    def test_no_valgrind(self):
        other = copy.deepcopy(GOOD)
        del other["counts"]["mlp, instructions"]
        self.not_compared(other, "valgrind is not installed")

    def test_a_file_without_instructions(self):
        less = copy.deepcopy(GOOD)
        del less["counts"]["mlp, instructions"]
        self.assertIn("the file has none", counts.compare(less, GOOD).not_compared[0])

    def test_barriers_of_threads_on_one_cpu(self):
        shared = copy.deepcopy(GOOD)
        del shared["counts"]["mlp"]["barriers"]
        result = counts.compare(GOOD, shared)
        self.assertEqual((result.differences, len(result.not_compared)), ([], 1))
        self.assertIn("barriers of 1 case NOT compared", result.not_compared[0])
        self.assertEqual(len(counts.compare(shared, GOOD).differences), 1)


class Counted(unittest.TestCase):
    def counted(self, barrier):
        """Of a program that only writes metrics."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "program")
            records = [{"record": "start", "barrier": barrier}, {"epoch": 1, **dict.fromkeys(counts.FIELDS, 3)},
                       {"record": "explain"}]
            with open(path, "w", encoding="ascii") as f:
                f.write(f"#!/usr/bin/env python3\nimport json, sys\n"
                        f"open(sys.argv[-1], 'w').write('\\n'.join(map(json.dumps, {records!r})))\n")
            os.chmod(path, 0o755)
            return counts.counted(path, "data", [], folder)

    def test_barriers_only_of_threads_on_their_own_cpus(self):
        self.assertEqual(self.counted("near"), dict.fromkeys(counts.FIELDS, 3))
        self.assertEqual(self.counted("shared CPUs").keys(), set(counts.FIELDS) - {"barriers"})


class Check(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        file = os.path.join(self.folder, "wanted.json")
        with open(file, "w", encoding="utf-8") as f:
            json.dump(GOOD, f)
        for name, value in (("FILE", file), ("measure", lambda: self.found)):
            patch = unittest.mock.patch.object(counts, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        self.found = copy.deepcopy(GOOD)
        del self.found["counts"]["mlp, instructions"]

    def test_reports_say_what_was_not_compared(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(counts.check(False, os.path.join(self.folder, "out")), 0)
        with open(os.path.join(self.folder, "out", "counts.md"), encoding="utf-8") as f:
            self.assertEqual(f.read(), out.getvalue())
        with open(os.path.join(self.folder, "out", "counts.json"), encoding="utf-8") as f:
            found = json.load(f)
        self.assertEqual((found["exit_code"], found["cases"], found["differences"]), (0, 1, []))
        self.assertIn("instructions NOT compared: valgrind is not installed", found["not_compared"][0])
        self.assertIn(found["not_compared"][0], out.getvalue())

    def test_update_keeps_instructions(self):
        with self.assertRaisesRegex(CannotMeasure, "valgrind is not installed"):
            counts.check(True, None)
        with open(counts.FILE, encoding="utf-8") as f:
            self.assertEqual(json.load(f), GOOD)


if __name__ == "__main__":
    unittest.main()
