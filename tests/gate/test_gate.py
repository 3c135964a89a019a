# SPDX-License-Identifier: MIT
"""bench/gate from outside, on programs whose times are known: verdicts, reports, errors, exit codes."""
import html.parser
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import fake
import here
from gatelib import program, project


def gate(*arguments, **environment):
    """(exit code, stdout, stderr) of the gate."""
    done = subprocess.run([sys.executable, here.GATE, *arguments], capture_output=True, text=True, check=False,
                          env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


class Folder(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name

    def program(self, *arguments, **options):
        return fake.write(self.folder, *arguments, **options)


class Verdicts(Folder):
    def test_equal_programs_pass(self):
        code, out, _ = gate(self.program("base"), self.program("head"), "--budget", "40s")
        self.assertEqual(code, 0, out)
        self.assertIn("No regression: of 2 benchmarks 2 unchanged", out)

    def test_slower_head_is_a_regression_in_every_report(self):
        out_dir = os.path.join(self.folder, "report")
        code, out, _ = gate(self.program("base"), self.program("head", 1.08), "--budget", "60s", "--out", out_dir)
        self.assertEqual(code, 1, out)
        self.assertIn("Regression: of 2 benchmarks 2 slower", out)
        with open(os.path.join(out_dir, "gate.json"), encoding="utf-8") as f:
            found = json.load(f)
        self.assertEqual([b["verdict"] for b in found["benchmarks"]], ["regression"] * 2)
        self.assertEqual(found["exit_code"], 1)
        self.assertAlmostEqual(found["benchmarks"][0]["base_ns"] / 1e5, 1.0, delta=0.05)
        self.assertGreaterEqual(len(found["benchmarks"][0]["blocks"]), 16)  # both rounds
        with open(os.path.join(out_dir, "gate.md"), encoding="utf-8") as f:
            self.assertEqual(f.read(), out)
        self.check_page(os.path.join(out_dir, "gate.html"))

    def check_page(self, path):
        """Well formed, self-contained, one drawing a benchmark."""
        with open(path, encoding="utf-8") as f:
            text = f.read()
        open_tags, drawings = [], 0

        class Reader(html.parser.HTMLParser):
            def handle_starttag(self, tag, attributes):
                nonlocal drawings
                drawings += tag == "svg"
                if tag not in ("meta", "br", "line", "rect", "circle"):
                    open_tags.append(tag)

            def handle_startendtag(self, tag, attributes):
                pass

            def handle_endtag(self, tag):
                assert open_tags.pop() == tag, tag

        Reader().feed(text)
        self.assertEqual((open_tags, drawings), ([], 2))
        self.assertNotIn("http", text)

    def test_faster_head_is_reported_and_passes(self):
        code, out, _ = gate(self.program("base"), self.program("head", 0.9), "--budget", "60s")
        self.assertEqual(code, 0, out)
        self.assertIn("2 faster", out)

    def test_clock_is_the_declared_one(self):
        row = dict(run_name="n", run_type="iteration", time_unit="ns", real_time=3.0, cpu_time=1.0)
        for name, wall, wanted in (("n", False, 1.0), ("n", True, 3.0), ("n/real_time", False, 3.0),
                                   ("n/manual_time/threads:2", False, 3.0), ("real_time_n", False, 1.0)):
            text = json.dumps({"benchmarks": [{**row, "run_name": name}]})
            self.assertEqual(program.times(text, "p", [name], wall), {name: [wanted]}, name)

    def test_benchmarks_of_head_alone_are_named(self):
        code, out, _ = gate(self.program("base", names=["one"]), self.program("head"), "--budget", "40s")
        self.assertEqual(code, 0, out)
        self.assertIn("`two/8:64`: new in head, not compared", out)


class Errors(Folder):
    def cannot(self, wanted, head_options=None, base_options=None, *more):
        base = self.program("base", **(base_options or {}))
        head = self.program("head", **(head_options or {}))
        code, out, err = gate(base, head, "--budget", "40s", *more)
        self.assertEqual((code, out), (4, ""), err)
        self.assertRegex(err, r"^gate: cannot measure: .*" + wanted)
        self.assertEqual(err.count("\n"), 1, err)

    def test_missing_benchmark(self):
        self.cannot("benchmark 'two/8:64' of base is missing", {"names": ["one"]})

    def test_lost_in_the_report(self):
        self.cannot("two/8:64: missing in the report", {"fault": "lost"})

    def test_zero_time(self):
        self.cannot("one: the time is 0.0", {"fault": "zero"})

    def test_nan_time(self):
        self.cannot("one: the time is nan", {"fault": "nan"})

    def test_time_that_is_no_number(self):
        self.cannot("one: the time is 12", {"fault": "text"})

    def test_error_of_a_benchmark(self):
        self.cannot("one: no such device", {"fault": "error"})

    def test_crash(self):
        self.cannot("exit code 1: the roof is on fire", {"fault": "crash"})

    def test_signal(self):
        self.cannot("signal 11", {"fault": "kill"})

    def test_junk(self):
        self.cannot("not Google Benchmark's JSON", {"fault": "junk"})

    def test_faults_of_base_too(self):
        self.cannot("one: the time is nan", None, {"fault": "nan"})

    def test_nothing_matches(self):
        self.cannot("no benchmark matches 'x'", {"fault": "silent"}, {"fault": "silent"}, "--filter", "x")

    def test_too_few_samples(self):
        code, _, err = gate(self.program("base"), self.program("head"), "--budget", "0.2s")
        self.assertEqual(code, 4)
        self.assertIn("too few samples", err)

    def test_program_that_cannot_start(self):
        path = os.path.join(self.folder, "broken")
        with open(path, "w", encoding="ascii") as f:
            f.write("#!/no/such/interpreter\n")
        os.chmod(path, 0o755)
        code, _, err = gate(path, path)
        self.assertEqual(code, 4)
        self.assertIn("cannot be started", err)

    def test_program_of_another_kind(self):
        for path, wanted in (("/bin/true", "lists no benchmark"), ("/bin/false", "exit code 1: no message")):
            code, _, err = gate(path, path)
            self.assertEqual(code, 4)
            self.assertRegex(err, f"{path}: {wanted} .*is it a Google Benchmark program")
            self.assertEqual(err.count("\n"), 1, err)

    def test_what_is_no_program_is_named(self):
        good, plain = self.program("base"), os.path.join(self.folder, "plain")
        with open(plain, "w", encoding="ascii"):
            pass
        for head, wanted in (("no-such-thing", "nothing of that name"), (self.folder, "a folder"),
                             (plain, "a file that may not be executed"), ("HEAD", "nothing of that name")):
            for arguments in ((good, head), (head, good)):
                code, _, err = gate(*arguments)
                self.assertEqual((code, err.startswith(f"gate: {head}: expected a program like the other")), (2, True), err)
                self.assertIn(wanted, err)

    def test_base_that_does_not_build(self):
        with tempfile.TemporaryDirectory() as source:
            with open(os.path.join(source, "CMakeLists.txt"), "w", encoding="ascii") as f:
                f.write("cmake_minimum_required(VERSION 3.25)\nproject(p C)\nadd_executable(p p.c)\n")
            with open(os.path.join(source, "p.c"), "w", encoding="ascii") as f:
                f.write("int main(void) { return x; }\n")
            with self.assertRaisesRegex(program.CannotMeasure, "base abc does not build: .*error"):
                project.build("base abc", source, "p", os.path.join(source, "build"))

    def test_terminated(self):
        started, temporary = os.path.join(self.folder, "started"), os.path.join(self.folder, "temporary")
        os.mkdir(temporary)
        path = self.program("base", fault="sleep")
        with subprocess.Popen([sys.executable, here.GATE, path, path], stderr=subprocess.DEVNULL,
                              env={**os.environ, "TMPDIR": temporary, "GATE_STARTED": started}) as run:
            while run.poll() is None and not (os.path.exists(started) and os.path.getsize(started)):
                time.sleep(0.01)
            run.terminate()
        self.assertEqual(run.returncode, 128 + signal.SIGTERM)
        self.assertEqual(os.listdir(temporary), [])
        with open(started, encoding="ascii") as f:
            self.assertRaises(ProcessLookupError, os.kill, int(f.read()), 0)

    def test_out_is_looked_at_first(self):
        good, file = self.program("base"), self.program("file")
        code, out, err = gate(good, good, "--out", os.path.join(file, "report"))
        self.assertEqual((code, out), (2, ""), err)
        self.assertRegex(err, r"^gate: --out .*/report: expected a folder to write into: Not a directory\n$")

    def test_usage(self):
        good = self.program("base")
        for arguments in ([], [good], [good, "no-such-thing"], ["no-such-thing", "HEAD"], [good, good, "--budget", "x"],
                          [good, good, "--budget", "0s"], [good, good, "--filter", "("], ["--replay", "--counts"],
                          ["--selftest", "no-such-kind"], [good, good, "--update"], [good, good, "--runs", "2"],
                          ["--replay", "--out", "x"], ["--counts", "--filter", "x"], ["--counts", "--record"]):
            code, out, err = gate(*arguments)
            self.assertEqual((code, out), (2, ""), (arguments, err))


if __name__ == "__main__":
    unittest.main()
