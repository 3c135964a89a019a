#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_output.py LOCKSTEP-BENCH: its JSON has the fields that docs/benchmarking.md names, --short prints its table, and
bench/roofline draws every point inside a well-formed SVG."""
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

ROOFLINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "roofline")
FILTER = "^(gemm_fwd/[^/]*/(mnist|cold)/100x10x256|add/[^/]*/L[12]|exp/[^/]*/L1|step/two-layer/.*/batch100/)"
ROOFS = {"fma", "L1", "L2", "L3", "DRAM"}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_row(run_):
    kernel = not run_["name"].startswith("step/")
    fields = {"real_time", "share", "fma_roof"}
    if kernel:
        fields |= {"GB/s", "memory_roof", "level"}
    if not run_["name"].startswith("exp/"):
        fields |= {"GFLOP/s"} | ({"FLOP/byte"} if kernel else {"rows/s"})
    missing = {f for f in fields if not run_.get(f, 0) > 0}
    assert not missing, f"{run_['name']}: no {missing}"
    assert run_["label"] in ROOFS, f"{run_['name']}: roof {run_['label']}"
    assert run_["share"] < 10, f"{run_['name']}: share {run_['share']}"


def check_svg(svg, points):
    root = ET.parse(svg).getroot()
    box = [float(x) for x in root.attrib["viewBox"].split()]
    marks = [e for e in root.iter("{http://www.w3.org/2000/svg}circle") if e.get("class") == "point"]
    assert len(marks) == points, f"{len(marks)} points drawn, expected {points}"
    for mark in marks:
        assert 0 < float(mark.get("cx")) < box[2] and 0 < float(mark.get("cy")) < box[3], "a point outside"
        assert mark.find("{http://www.w3.org/2000/svg}title").text, "a point without a name"


def check_refusals(folder):
    """What is no result of lockstep-bench, and a drawing without a place, are one line."""
    wrong = os.path.join(folder, "wrong.json")
    for text in ("", "{", "[]", "3", "{}", '{"benchmarks": []}', '{"benchmarks": [{"name": "a/b"}]}'):
        with open(wrong, "w", encoding="utf-8") as file:
            file.write(text)
        refused(wrong, "-o", os.path.join(folder, "never.svg"))
    refused(os.path.join(folder, "nothing.json"))
    refused(os.path.join(folder, "results.json"), "-o", folder)


def refused(*arguments):
    done = subprocess.run([sys.executable, ROOFLINE, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("roofline: ") and done.stderr.count("\n") == 1, done.stderr


def main():
    program = sys.argv[1]
    quick = ("--benchmark_min_time=0.0001", "--benchmark_filter=" + FILTER)
    with tempfile.TemporaryDirectory() as folder:
        results, svg = os.path.join(folder, "results.json"), os.path.join(folder, "roofline.svg")
        run(program, *quick, "--benchmark_out=" + results, "--benchmark_repetitions=2")
        with open(results, encoding="utf-8") as file:
            rows = [r for r in json.load(file)["benchmarks"] if r["run_type"] == "iteration"]
        assert len({r["name"] for r in rows}) * 2 == len(rows) >= 8, f"{len(rows)} rows"
        for row in rows:
            check_row(row)
        isa = [i for i in ("ref", "avx2", "avx512") if any(f"/{i}/" in r["name"] for r in rows)][-1]
        run(sys.executable, ROOFLINE, results, "-o", svg)
        drawn = {r["name"] for r in rows if f"/{isa}/" in r["name"] and "FLOP/byte" in r}
        check_svg(svg, len(drawn))
        check_refusals(folder)
    table = run(program, "--short", "--benchmark_repetitions=1", *quick).splitlines()
    assert table[0].split() == ["time", "GFLOP/s", "GB/s", "FLOP/byte", "roof", "share", "best"], table[0]
    assert len(table) == 1 + len({r["name"] for r in rows}), "a row is missing in the table"


if __name__ == "__main__":
    main()
