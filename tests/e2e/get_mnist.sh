#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# toolchain/get-mnist against mirrors of file:// (and of http:// where python3 can serve one): bad mirrors always, the good
# one where LOCKSTEP_MNIST_DIR names a folder with the .gz files.
set -uo pipefail

get=$(cd "$(dirname "$0")/../.." && pwd)/toolchain/get-mnist
names=(train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz)
work=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server"; rm -rf -- "$work"' EXIT
failures=0

bad() { # TEXT
    printf 'FAILED: %s\n' "$1"
    failures=$((failures + 1))
}

# Run get-mnist with the arguments; it must exit with CODE, on failure with one line on stderr that holds TEXT.
expect() { # CODE TEXT ARGUMENTS...
    local code=$1 text=$2
    shift 2
    PATH=${tools:-$PATH} "$get" "$@" >"$work/out" 2>"$work/err"
    local got=$?
    ((got == code)) || bad "get-mnist $*: expected exit code $code, got $got: $(<"$work/err")"
    ((code == 0)) && return
    [[ $(wc -l <"$work/err") == 1 && $(<"$work/err") == "get-mnist: "*"$text"* ]] ||
        bad "get-mnist $*: expected one line with \"$text\", got: $(<"$work/err")"
}

# Nothing in DIR, hidden files included, but the names given.
holds() { # DIR NAMES...
    local dir=$1 listed wanted
    shift
    listed=$(find "$dir" -mindepth 1 -printf '%P\n' | sort | tr '\n' ' ')
    wanted=$(printf '%s\n' "$@" | sort | sed '/^$/d' | tr '\n' ' ')
    [[ $listed == "$wanted" ]] || bad "$dir: expected \"$wanted\", got \"$listed\""
}

make_fake() { # DIR
    mkdir -p "$1"
    for name in "${names[@]}"; do
        printf 'not %s\n' "$name" | gzip -c >"$1/$name"
    done
}

test_usage() {
    expect 2 "expected DIR" # no argument
    expect 2 "expected DIR" a b c
    expect 2 "unknown option" --fast
    expect 2 "empty name" ""
    expect 2 "expected a mirror" "$work/d" /no/scheme
    expect 0 "" -h
    [[ $(<"$work/out") == usage:* ]] || bad "-h: expected the usage on stdout"
    [[ ! -e $work/d ]] || bad "usage errors must touch nothing"
}

test_bad_mirrors() {
    make_fake "$work/fake"
    expect 3 "wrong data" "$work/wrong" "file://$work/fake"
    holds "$work/wrong"
    printf 'plain' >"$work/fake/${names[0]}"
    expect 3 "damaged" "$work/wrong" "file://$work/fake/"
    holds "$work/wrong"
    rm "$work/fake/${names[0]}"
    expect 3 "no such file" "$work/wrong" "file://$work/fake"
    holds "$work/wrong"
    expect 3 "no such file" "$work/wrong" "file://$work/nowhere"
}

# A wrong file that was there stays until a right one replaces it.
test_keeps_old() {
    make_fake "$work/old"
    make_fake "$work/fake"
    cp "$work/old/${names[0]}" "$work/before"
    expect 3 "wrong data" "$work/old" "file://$work/fake"
    cmp -s "$work/before" "$work/old/${names[0]}" || bad "a failed download changed the file before it"
    holds "$work/old" "${names[@]}"
}

test_not_writable() {
    printf 'file' >"$work/file"
    expect 5 "cannot create" "$work/file/sub" "file://$work/fake"
    expect 5 "cannot create" "$work/file" "file://$work/fake"
    mkdir -p "$work/taken/${names[0]}"
    expect 5 "it is a folder" "$work/taken" "file://$work/fake"
}

test_good() { # MIRROR
    rm -rf "$work/good dir"
    expect 0 "" "$work/good dir" "$1"
    holds "$work/good dir" "${names[@]}"
    local stamp
    stamp=$(stat -c %i:%Y "$work/good dir"/*)
    expect 0 "" "$work/good dir" "file://$work/nowhere"
    [[ $stamp == "$(stat -c %i:%Y "$work/good dir"/*)" ]] || bad "right files were replaced"
    printf 'x' >>"$work/good dir/${names[1]}"
    rm "$work/good dir/${names[2]}"
    expect 0 "" "$work/good dir" "$1"
    [[ $(grep -c downloaded "$work/out") == 2 ]] || bad "expected two downloads, got: $(<"$work/out")"
}

# Serve DIR over http on a free port; the address goes into $url.
serve() { # DIR
    python3 -c '
import functools, http.server, sys
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=sys.argv[1]))
print("http://127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()' "$1" >"$work/url" 2>/dev/null &
    server=$!
    for _ in {1..100}; do
        url=$(cat "$work/url")
        [[ -z $url ]] || return 0
        sleep 0.1
    done
    bad "the http server did not start"
    return 1
}

# Downloads by each of curl and wget, the other one hidden.
test_http() {
    local tool program
    serve "$work/served" || return
    for tool in curl wget; do
        command -v "$tool" >/dev/null || continue
        tools=$work/$tool
        mkdir -p "$tools"
        for program in bash "$tool" gzip sha256sum cp mv rm mkdir mktemp; do
            ln -sf "$(type -P "$program")" "$tools/$program"
        done
        expect 3 "wrong data" "$work/by $tool" "$url/fake"
        expect 3 "cannot download" "$work/by $tool" "$url/nowhere"
        expect 3 "cannot download" "$work/by $tool" http://127.0.0.1:9
        holds "$work/by $tool"
        [[ ! -d $work/served/mnist ]] || test_good "$url/mnist"
    done
    tools=
}

tools=
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
test_usage
test_bad_mirrors
test_keeps_old
test_not_writable
make_fake "$work/served/fake"
mnist=${LOCKSTEP_MNIST_DIR:-}
if [[ -n $mnist && -f $mnist/${names[0]} ]]; then
    mkdir "$work/served/mnist"
    for name in "${names[@]}"; do
        ln -s "$(realpath "$mnist")/$name" "$work/served/mnist/$name"
    done
    test_good "file://$(realpath "$mnist")"
else
    printf 'note: LOCKSTEP_MNIST_DIR names no folder with the .gz files: the good case is not tested\n'
fi
if command -v python3 >/dev/null; then
    test_http
else
    printf 'note: no python3: http is not tested\n'
fi
((failures == 0)) && printf 'ok\n'
exit $((failures > 0))
