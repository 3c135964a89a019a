# SPDX-License-Identifier: MIT
"""Counts without noise: what a training epoch does, counted by the program itself, and the instructions of its steps under
callgrind. bench/gate-counts.json holds what they must be; --update rewrites it and shows the difference."""
import dataclasses
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from . import project, report
from .program import CannotMeasure

FILE = os.path.join(project.ROOT, "bench", "gate-counts.json")
TINY = os.path.join(project.ROOT, "tests", "e2e", "tiny.py")
FIELDS = ("flops", "packed_bytes", "regions", "barriers", "allocations", "peak_bytes")
SHARED, TRIES = "shared CPUs", 10  # the start record's word for workers on one CPU; runs until they are on two
BOUNDS = {"peak_bytes": 0.01, "instructions": 0.01}  # relative; all others must be equal

# Name: options of lockstep train. 2,500 images.
CASES = {f"{model}, batch {batch}": ["--model", model, "--batch", str(batch), "--threads", "2", "--reduce", "owners"]
         for model in ("two-layer", "mlp", "conv1d", "residual") for batch in (100, 1024)}
INSTRUCTIONS_END = ", instructions"
INSTRUCTIONS = {f"{name}{INSTRUCTIONS_END}": ["--model", model, "--batch", "500", "--threads", "1", "--reduce", "owners"]
                for name, model in (("linear", "flatten | linear(64) | relu | linear(10)"),
                                    ("conv1d", "conv1d(16, kernel_size=3, padding=same) | relu | max_pool1d(2) | flatten"
                                               " | linear(10)"))}


def _run(command, **environment):
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_DYNAMIC": "false", **environment})
    if done.returncode:
        lines = (done.stderr.strip() or "no message").splitlines()
        raise CannotMeasure(f"{os.path.basename(command[0])}: exit code {done.returncode}: {lines[-1]}")
    return done


def counted(program, data, options, folder):
    """The counts of one epoch. Workers that share a CPU share no layer by columns, which takes fewer barriers: a few runs
    wait for a moment when they do not, else barriers are left out."""
    metrics = os.path.join(folder, "metrics")
    for _ in range(TRIES):
        _run([program, "train", "--data", data, "--epochs", "1", *options, "--metrics", metrics])
        with open(metrics, encoding="ascii") as f:
            start, epoch = [json.loads(line) for line in f][:2]
        missing = [field for field in FIELDS if not isinstance(epoch.get(field), int)]
        if missing:
            raise CannotMeasure(f"{program}: --metrics lacks '{missing[0]}'")
        counts = {field: epoch[field] for field in FIELDS}
        if start["barrier"] != SHARED:
            return counts
    del counts["barriers"]
    return counts


def instructions(program, data, options, folder):
    """Instructions of all steps of an epoch on one thread with AVX2; valgrind knows no AVX-512."""
    out = os.path.join(folder, "callgrind")
    _run(["valgrind", "--tool=callgrind", "--toggle-collect=ls_step", f"--callgrind-out-file={out}", program, "train",
          "--data", data, "--epochs", "1", *options], LOCKSTEP_CPU="-avx512")
    with open(out, encoding="utf-8", errors="replace") as f:
        found = re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M)
    if not found or not int(found[1]):
        raise CannotMeasure("callgrind: no instructions of ls_step were counted")
    return {"instructions": int(found[1])}


def compiler(build):
    """First line of the compiler's --version: instructions of another one are not comparable."""
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as f:
        path = next(line.split("=", 1)[1].strip() for line in f if line.startswith("CMAKE_C_COMPILER:"))
    return _run([path, "--version"]).stdout.splitlines()[0]


def measure():
    """All counts as the file holds them; without valgrind no instructions."""
    build = project.build("the counts", project.ROOT, "lockstep-cli", os.path.join(project.ROOT, "build", "counts"))
    program = os.path.join(build, "lockstep")
    result = {"compiler": compiler(build), "counts": {}}
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "tiny")
        _run([sys.executable, TINY, data])
        for name, options in CASES.items():
            result["counts"][name] = counted(program, data, options, folder)
        for name, options in INSTRUCTIONS.items() if shutil.which("valgrind") else ():
            result["counts"][name] = instructions(program, data, options, folder)
    return result


@dataclasses.dataclass
class Compared:
    """What a comparison with the file found."""
    cases: int          # that were compared,
    differences: list   # lines that say what is beyond its bound,
    not_compared: list  # lines: what was not compared and why


def _without_instructions(wanted, found):
    """Why instructions cannot be compared; "": they can."""
    counted = [any(name.endswith(INSTRUCTIONS_END) for name in side["counts"]) for side in (wanted, found)]
    if not any(counted):
        return ""
    if not counted[1]:
        return "valgrind is not installed (the program's own counts were compared)"
    if not counted[0]:
        return "the file has none (--counts --update with valgrind writes them)"
    if wanted["compiler"] != found["compiler"]:
        return (f"compiled by {found['compiler']}, those of the file by {wanted['compiler']} (the program's own counts "
                f"were compared)")
    return ""


def compare(wanted, found):
    """What the file holds with what was counted: Compared."""
    why, lines, unseen = _without_instructions(wanted, found), [], 0
    names = sorted(wanted["counts"].keys() | found["counts"].keys())
    names = [name for name in names if not (why and name.endswith(INSTRUCTIONS_END))]
    for name in names:
        old, new = wanted["counts"].get(name), found["counts"].get(name)
        for field in sorted((old or {}).keys() | (new or {}).keys()):
            a, b = (old or {}).get(field), (new or {}).get(field)
            if field == "barriers" and new and b is None:
                unseen += 1
            elif a is None or b is None:
                lines.append(f"{name}: {field}: expected {a}, got {b}")
            elif abs(b - a) > BOUNDS.get(field, 0.0) * a:
                change = f" ({100.0 * (b - a) / a:+.2f} %)" if a else ""
                lines.append(f"{name}: {field}: expected {a}, got {b}{change}")
    not_compared = [f"instructions NOT compared: {why}"] if why else []
    if unseen:
        not_compared.append(f"barriers of {unseen} case{'s' * (unseen > 1)} NOT compared: the threads shared a CPU in each of "
                            f"{TRIES} runs")
    return Compared(len(names), lines, not_compared)


def markdown(result):
    """What a person reads, on the terminal and in a pull request."""
    file = os.path.relpath(FILE, project.ROOT)
    if result.differences:
        lines = [f"**Counts differ** from {file}:", "", *(f"- {line}" for line in result.differences), "",
                 "Meant? `bench/gate --counts --update`"]
    else:
        lines = [f"**Counts as in {file}**: {result.cases} cases"]
    notes = [f"- {line}" for line in result.not_compared]
    return "\n".join(lines + [""] * bool(notes) + notes) + "\n"


def _update(found):
    """Rewrite the file; the difference goes to standard output."""
    if not any(name.endswith(INSTRUCTIONS_END) for name in found["counts"]):
        raise CannotMeasure("valgrind is not installed: the file would lose its instructions (install it)")
    if not all("barriers" in counts for name, counts in found["counts"].items() if not name.endswith(INSTRUCTIONS_END)):
        raise CannotMeasure("the threads share a CPU: the file would lose its barriers (try again when the machine is idle)")
    text, old = json.dumps(found, indent=1) + "\n", ""
    if os.path.exists(FILE):
        with open(FILE, encoding="utf-8") as f:
            old = f.read()
    with open(FILE, "w", encoding="utf-8") as f:
        f.write(text)
    sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), text.splitlines(True), "before", "after", n=1))


def check(update, out):
    """Compare with the file and write counts.md and counts.json into the folder `out`, or rewrite the file. Exit code 1:
    something is beyond its bound."""
    found = measure()
    if update:
        _update(found)
        return 0
    if not os.path.exists(FILE):
        raise CannotMeasure(f"{FILE}: missing (write it with --counts --update)")
    with open(FILE, encoding="utf-8") as f:
        result = compare(json.load(f), found)
    code = int(bool(result.differences))
    sys.stdout.write(markdown(result))
    if out:
        record = {"exit_code": code, **dataclasses.asdict(result), "found": found}
        report.write_files(out, {"counts.md": markdown(result), "counts.json": json.dumps(record, indent=1) + "\n"})
    return code
