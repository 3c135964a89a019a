#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# graph.sh PROGRAM: lockstep graph: the lecture notes' graphs with their values and gradients, drawings, the table of a network,
# errors; and networks of gates train to the same weights on every schedule.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

out=$work/out err=$work/err

# expect NODES ARGUMENTS...: `lockstep graph ARGUMENTS --json` has these nodes, as JSON {name: [value, gradient]}; every node of
# the name; 1e-6 relative.
expect() {
    local nodes=$1
    shift
    "$lockstep" graph "$@" --json >"$out" || fail "$*"
    python3 - "$out" "$nodes" <<'PY' || fail "$*: $(cat "$out")"
import json, sys
nodes = json.load(open(sys.argv[1]))
def flat(x):
    return [y for z in x for y in flat(z)] if isinstance(x, list) else [x]
def near(got, want):
    assert len(flat(got)) == len(flat(want)) and type(got) in (type(want), int, float), (got, want)
    assert all(abs(g - w) <= 1e-6 * abs(w) for g, w in zip(flat(got), flat(want))), (got, want)
for name, (value, grad) in json.loads(sys.argv[2]).items():
    found = [n for n in nodes if n["name"] == name]
    assert found, name
    for n in found:
        assert set(n) == {"name", "value", "grad"}
        near(n["value"], value)
        near(n["grad"], grad)
PY
}

worked_graphs() {
    local s=0.19661193324148185 f=0.7310585786300049 g=-0.5344466453 e=0.36787944117144233
    expect '{"x": [1, 6], "y": [2, 6], "t": [3, 6], "z": [9, 1]}' 't = x + y; z = square(t)' x=1 y=2
    expect '{"x": [-2, -4], "y": [5, -4], "z": [-4, 3], "x + y": [3, -4], "f": [-12, 1]}' 'f = (x + y) * z' x=-2 y=5 z=-4
    expect '{"4": [4, 2], "-1": [-1, 0], "2 * maximum(4, -1)": [8, 1]}' '2 * maximum(4, -1)'
    expect '{"3": [3, 0.5]}' 'maximum(3, 3)'
    expect '{"x": [3, 6], "f": [9, 1]}' 'f = x*x' x=3
    expect '{"x": [2, 4], "y": [3, 2]}' 'f = x*y + x' x=2 y=3
    expect "{\"-(w0*x0 + w1*x1 + w2)\": [-1, -$s], \"exp(-(w0*x0 + w1*x1 + w2))\": [$e, $g], \"f\": [$f, 1], \"w0\": [2, -$s],
        \"1 + exp(-(w0*x0 + w1*x1 + w2))\": [1.36787944117, $g], \"w0*x0 + w1*x1 + w2\": [1, $s],
        \"x0\": [-1, 0.3932238665], \"w1\": [-3, -0.3932238665], \"x1\": [-2, -0.5898357997], \"w2\": [-3, $s]}" \
        'f = 1 / (1 + exp(-(w0*x0 + w1*x1 + w2)))' w0=2 x0=-1 w1=-3 x1=-2 w2=-3
    expect '{"W": [[[0.1, 0.5], [-0.3, 0.8]], [[0.088, 0.176], [0.104, 0.208]]], "x": [[0.2, 0.4], [-0.112, 0.636]],
        "q": [[0.22, 0.26], [0.44, 0.52]], "f": [0.116, 1]}' \
        'q = matmul(W, x); f = sum(square(q))' 'W=[[0.1,0.5],[-0.3,0.8]]' 'x=[0.2, 0.4]'
    expect '{"total": [715, 1], "apple_price": [100, 2.2], "apples": [2, 110], "orange_price": [150, 3.3], "oranges": [3, 165],
        "tax": [1.1, 650]}' 'total = (apples*apple_price + oranges*orange_price) * tax' \
        apples=2 apple_price=100 oranges=3 orange_price=150 tax=1.1
}

tables_and_files() {
    "$lockstep" graph 'f = (x + y) * z' x=-2 y=5 z=-4 >"$out"
    grep -qE '^name +value +gradient$' "$out" || fail "$(cat "$out")"
    grep -qE '^x \+ y +3 +-4$' "$out" || fail "$(cat "$out")"
    echo 'f = x - y' >"$work/text"
    [[ $("$lockstep" graph "$work/text" x=3 y=2) == "$("$lockstep" graph 'f = x - y' x=3 y=2)" ]] || fail 'a text in a file'
    "$lockstep" graph x-y x=3 y=2 | grep -qE '^x-y +1 +1$' || fail 'x-y'
    for isa in ref ''; do
        "$lockstep" graph 'log(x) | exp | tanh' x=0.7 --json ${isa:+--isa "$isa"} >"$out$isa"
    done
    cmp "$out" "${out}ref" || fail 'the instruction sets disagree'
    "$lockstep" graph 'log(x)' x=0 | grep -qE '^log\(x\) +-inf +1$' || fail '-inf in the table'
    "$lockstep" graph 'log(x)' x=-1 --json | grep -q '"value": null' || fail 'NaN in JSON'
}

# drawing ARGUMENTS...: valid Graphviz text.
drawing() {
    "$lockstep" graph "$@" --dot >"$out"
    if command -v dot >/dev/null; then
        dot -Tsvg "$out" >/dev/null || fail "dot does not read the drawing of $*"
    fi
    python3 - "$out" <<'PY' || fail "drawing of $*: $(cat "$out")"
import re, sys
lines = open(sys.argv[1]).read().splitlines()
assert lines[0] == "digraph lockstep {" and lines[-1] == "}"
nodes = set()
for line in lines[2:-1]:
    node = re.fullmatch(r'  (\w+) \[label="[^"]*"(, shape=\w+)?\];', line)
    edge = re.fullmatch(r'  (\w+) -> (\w+) \[label="[^"]*"\];', line)
    assert node or edge and edge[1] in nodes and edge[2] in nodes, line
    if node:
        nodes.add(node[1])
PY
}

drawings() {
    drawing 'f = (x + y) * z' x=-2 y=5 z=-4
    grep -qF 'label="add"' "$out" || fail 'no add gate'
    grep -qF '[label="-2\n-4"]' "$out" || fail 'no value and gradient of x'
    grep -qF '[label="-12\n1"]' "$out" || fail 'no arrow out of f'
    drawing 'f = sum(2 * x)' 'x=[1,2,3]'
    ! grep -q expand "$out" || fail 'an implied expansion is drawn'
    drawing mlp
    grep -qF '[label="(28, 28)"]' "$out" || fail "$(cat "$out")"
}

networks() {
    "$lockstep" graph mlp >"$out"
    grep -qE '^1 +linear\(512\) +\(512\) +401920 +802816$' "$out" || fail "$(cat "$out")"
    grep -qE '^total +535818 +1070080$' "$out" || fail "$(cat "$out")"
    "$lockstep" graph 'h = input(3, 4) | flatten | linear(5) | relu
        y = h + (h | linear(5))' --json >"$out"
    python3 - "$out" <<'PY' || fail "$(cat "$out")"
import json, sys
nodes = json.load(open(sys.argv[1]))
assert nodes[0]["shape"] == [3, 4] and nodes[0]["op"] == "input"
y = next(n for n in nodes if n["name"] == "y")
assert [nodes[i]["text"] for i in y["inputs"]] == ["relu", "linear(5)"], y
assert sum(n["parameters"] for n in nodes) == 12 * 5 + 5 + 5 * 5 + 5
assert sum(n["flops"] for n in nodes) == 2 * (12 * 5 + 5 * 5)
PY
}

# bad CODE PATTERN ARGUMENTS...: exit code, nothing on stdout, one line on stderr that matches.
bad() {
    local want=$1 pattern=$2 got=0
    shift 2
    "$lockstep" graph "$@" >"$out" 2>"$err" || got=$?
    [[ $got == "$want" && ! -s $out && $(wc -l <"$err") == 1 ]] || fail "$*: exit code $got: $(cat "$out" "$err")"
    grep -qE "^lockstep: $pattern" "$err" || fail "$*: expected /$pattern/: $(cat "$err")"
}

errors() {
    local value
    bad 2 'no text: expected'
    bad 2 'model text: line 1, column 6: expected a value .NAME=VALUE beside the text.*got "y"' '(x + y) * z' x=1 z=2
    bad 2 'model text: line 1, column 1: .*NAME=VALUE.*got "x"' 'x+1'
    bad 2 'u: the model text has no free name u' 'x * 2' x=1 u=3
    bad 2 'x: expected no values with a text that reads data' mlp x=1
    bad 2 'x: given twice' 'x * 2' x=1 x=2
    bad 2 '3: expected NAME=VALUE' 'x * 2' 3
    bad 2 '"3": expected a name' 'x * 2' 3=4
    bad 2 'relu: expected a name that is no op' 'x * 2' relu=4
    for value in '' a nan inf 1e99 '[' '[]' '[1' '[1,]' '[[1,2],[3]]' '[[1],2]' '[[[1]]]' '[1]2' 0x1 '1 2'; do
        bad 2 'x=.*: expected a number, .1,2. or' 'x * 2' "x=$value"
    done
    bad 2 'model text: line 1, column 3: add: expected two values of one shape, got .2. and .3.' 'x + y' 'x=[1,2]' 'y=[1,2,3]'
    bad 2 '--jsn: unknown option .did you mean --json' 'x * 2' x=1 --jsn
    bad 2 '--batch: this command has no such option' 'x * 2' x=1 --batch 3
    bad 2 '--dot: expected without --json' 'x * 2' x=1 --json --dot
    bad 2 'isa: expected one of' 'x * 2' x=1 --isa sse9
    bad 2 'model: expected a built-in name' "$work/none"
    bad 2 'model text: line 1, column 11: .*did you mean "linear"' 'flatten | liner(10)'
    bad 2 'model text: line 1, column 11: cross_entropy: expected at most 256 classes, got 784' 'flatten | linear(784)'
}

# same OPTIONS...: one digest for every instruction set, thread count and way to reduce; printed.
same() {
    local first='' got
    for isa in $(supported_isas | sed -n '1p;$p'); do
        for schedule in '1 owners' '2 owners' '3 owners' '2 replicas' '3 replicas'; do
            got=$(digest --data "$tiny" --batch 500 --shards 4 --epochs 2 --isa "$isa" --threads "${schedule% *}" \
                --reduce "${schedule#* }" "$@") || fail "$*: $(cat "$work/digest.err")"
            [[ ${first:=$got} == "$got" && $got ]] || fail "$isa $schedule: digest $got, expected $first: $*"
        done
    done
}

# A gated network, and a residual one whose value is used three times.
schedules() {
    local gated='h = flatten | linear(24) | tanh
        g = h | linear(24) | sigmoid
        y = g * h + (1 - g) * (flatten | linear(24) | relu)
        y | linear(10)'
    local residual='h = flatten | linear(20) | relu
        r = h + (h | linear(20) | relu)
        s = maximum(r, h) - (r | linear(20) | square) / (2 + exp(-r)) + mean(h)
        s | linear(10)'
    same --model 'x = input
        y = matmul(parameter(12, 28), x)
        matmul(y, parameter(28) + 0.1) - mean(square(y)) | linear(10)'
    same --model "$gated"
    same --model "$residual"
    at_least 0.9 --data "$tiny" --model "$gated" --batch 100 --epochs 4
    at_least 0.9 --data "$tiny" --model "$residual" --batch 100 --epochs 4
}

worked_graphs
tables_and_files
drawings
networks
errors
schedules
