# SPDX-License-Identifier: MIT
"""The command line of the gate."""
import argparse
import contextlib
import os
import re
import signal
import sys
import tempfile

from . import counts, project, replay, report, selftest, session
from .program import CannotMeasure
from .project import Usage

DESCRIPTION = """Is head slower than base? BASE and HEAD are two git revisions of Lockstep, or two built programs that use
Google Benchmark, anybody's: gate old/my-bench new/my-bench --filter '^BM_sort' --budget 2m --out report
Exit codes: 0 no, 1 yes, 2 usage, 3 inconclusive, 4 could not be measured. docs/gate.md says how to read a verdict."""


def seconds(text):
    """15m, 60s or 60: seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", text)
    if not found or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"'{text}': expected a time such as 60s or 15m")
    return float(found[1]) * {"s": 1, None: 1, "m": 60, "h": 3600}[found[2]]


def parse(arguments):
    p = argparse.ArgumentParser(prog="gate", description=DESCRIPTION,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("base", metavar="BASE", nargs="?", help="a program or a revision: how it was")
    p.add_argument("head", metavar="HEAD", nargs="?", help="a program or a revision: how it is now")
    p.add_argument("--filter", metavar="SET|REGEX",
                   help=f"which benchmarks: a pattern of --benchmark_filter, or Lockstep's sets {', '.join(project.SETS)}"
                        " (of programs: all; of revisions: default)")
    p.add_argument("--budget", type=seconds, default=720.0, metavar="TIME", help="for measuring, without builds (12m)")
    p.add_argument("--out", metavar="DIR", help="write gate.md, gate.html and gate.json there (--counts: counts.md, counts.json)")
    p.add_argument("--counts", action="store_true", help="compare the noise-free counts with bench/gate-counts.json")
    p.add_argument("--update", action="store_true", help="with --counts: write that file and show the difference")
    p.add_argument("--replay", action="store_true", help="error rates on recorded noise, without measuring")
    p.add_argument("--selftest", nargs="*", metavar="KIND",
                   help="error rates on this machine: injected slowdowns and changes that change nothing")
    p.add_argument("--runs", type=int, default=1, metavar="N", help="with --selftest: of each kind (1)")
    p.add_argument("--tally", metavar="FILE", help="with --selftest: append a line for each run")
    p.add_argument("--record", action="store_true", help="with --selftest same: add its noise to that of --replay")
    a = p.parse_args(arguments)
    modes = [a.counts, a.replay, a.selftest is not None, a.base is not None]
    if sum(modes) != 1 or (a.base is not None and a.head is None):
        p.error("expected BASE and HEAD, or one of --counts, --replay, --selftest")
    if a.runs < 1:
        p.error("--runs: expected at least 1")
    check_options(p, a)
    return a


def check_options(p, a):
    """An option that the mode does not read is an error."""
    compares, selftest_mode = a.base is not None, a.selftest is not None
    for option, given, reads in (("--filter", a.filter, compares), ("--out", a.out, compares or a.counts),
                                 ("--update", a.update, a.counts), ("--runs", a.runs > 1, selftest_mode),
                                 ("--tally", a.tally, selftest_mode), ("--record", a.record, selftest_mode)):
        if given and not reads:
            p.error(f"{option}: not an option of this mode (--help says of which)")


def is_program(path):
    return os.path.isfile(path) and os.access(path, os.X_OK)


def describe(path):
    """What is there instead of a program."""
    if os.path.isdir(path):
        return "a folder"
    return "a file that may not be executed (chmod +x?)" if os.path.exists(path) else "nothing of that name"


@contextlib.contextmanager
def programs(a):
    """(base, head, pattern) of what the command line names."""
    kinds = [is_program(name) for name in (a.base, a.head)]
    if all(kinds):
        pattern = project.choose(a.filter, "")[1] if a.filter else "."
        yield os.path.abspath(a.base), os.path.abspath(a.head), pattern
        return
    for name, program in zip((a.base, a.head), kinds):
        if not program and (any(kinds) or not project.revision(name)):
            what = "a program like the other" if any(kinds) else "a program or a git revision"
            raise Usage(f"{name}: expected {what}, got {describe(name)}")
    target, pattern = project.choose(a.filter, "default")
    with project.built(a.base, a.head, target) as (base, head):
        yield base, head, pattern


def writable(folder):
    """What takes minutes to find out shall have a place: make the folder of --out, if any."""
    try:
        if folder:
            os.makedirs(folder, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
    except OSError as e:
        raise Usage(f"--out {folder}: expected a folder to write into: {e.strerror}") from e


def compare(a):
    with programs(a) as (base, head, pattern):
        comparison = session.compare(base, head, pattern, a.budget)
    named = report.Named(comparison, a.base, a.head)
    sys.stdout.write(report.markdown(named))
    sys.stdout.flush()
    if a.out:
        report.write(named, a.out)
    return session.exit_code(comparison)


def end(number, _):
    sys.exit(128 + number)


def main(arguments=None):
    a = parse(arguments)
    signal.signal(signal.SIGTERM, end)  # programs, copies and worktrees go as after Ctrl-C
    try:
        writable(a.out)
        if a.counts:
            return counts.check(a.update, a.out)
        if a.replay:
            return replay.run()
        if a.selftest is not None:
            return selftest.run(a.selftest, a.runs, a.budget, a.tally, a.record)
        return compare(a)
    except Usage as e:
        print(f"gate: {e}", file=sys.stderr)
        return 2
    except CannotMeasure as e:
        session.say("")
        print(f"gate: cannot measure: {e}", file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        return 130
    except Exception as e:  # 1 would say that head is slower
        print(f"gate: cannot measure: {type(e).__name__}: {e}", file=sys.stderr)
        return 4
