# SPDX-License-Identifier: MIT
"""What is Lockstep's about the gate, in one place: programs, sets of benchmarks, how a revision is built."""
import contextlib
import os
import re
import shutil
import subprocess
import tempfile

from . import machine
from .program import CannotMeasure

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

ISA = "avx512" if machine.has("avx512dq") else "avx2"

# Name of a set: (program, pattern of --benchmark_filter). A --filter that is none of these names is a pattern itself.
SETS = {
    "canary": ("lockstep-canary", "^canary/"),
    "default": ("lockstep-bench",
                f"^gemm_fwd/{ISA}/mnist/512x512x784/|^gemm_dx/{ISA}/mnist/512x784x512/|^gemm_dw/{ISA}/mnist/784x512x512/|"
                f"^conv_(fwd|dx|dw)/{ISA}/conv1d/128x64x128/|^(relu_bwd|adam|softmax_xent)/{ISA}/L2/|"
                f"^max_pool_fwd/{ISA}/L2/k2s2/|^step/(mlp|conv1d)/{ISA}/batch100/threads([2-9]|[1-9][0-9])"),
}
OPTIONS = ["-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF", "-DLOCKSTEP_TESTS=OFF", "-DLOCKSTEP_BENCH=ON"]


class Usage(Exception):
    """Wrong arguments: exit code 2."""


def choose(name, default):
    """(program, pattern) of --filter."""
    name = name or default
    if name in SETS:
        return SETS[name]
    try:
        re.compile(name)
    except re.error as e:
        raise Usage(f"--filter {name}: {e}") from e
    return SETS["default"][0], name


def _git(*arguments):
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)


def revision(name):
    """Full hash of a git revision, or None."""
    found = _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return found.stdout.strip() if found.returncode == 0 else None


def here():
    """Short hash of the working tree, with + when it has changes."""
    dirty = _git("status", "--porcelain", "--untracked-files=no").stdout.strip()
    return _git("rev-parse", "--short=10", "HEAD").stdout.strip() + ("+" if dirty else "")


def build(what, source, target, folder, options=()):
    """Build one target (None: all) of a source tree: the folder with the programs."""
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    configure = ["cmake", "-S", source, "-B", folder, *generator, *OPTIONS, *options]
    compile_ = ["cmake", "--build", folder, "--parallel", str(os.cpu_count() or 1)] + (["--target", target] if target else [])
    for command in (configure, compile_):
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        except OSError as e:
            raise CannotMeasure(f"{what} does not build: {command[0]}: {e.strerror}") from e
        if done.returncode:
            lines = done.stdout.strip().splitlines()
            errors = [line for line in lines if re.search("error", line, re.I)] or lines[-1:]
            raise CannotMeasure(f"{what} does not build: {errors[0]}")
    return folder


@contextlib.contextmanager
def built(base, head, target):
    """Paths of the target of two revisions, built by one toolchain in worktrees with names of one length."""
    folder = tempfile.mkdtemp(prefix="gate-")
    try:
        paths = []
        for place, name in (("base", base), ("head", head)):
            tree = os.path.join(folder, place)
            added = _git("worktree", "add", "--detach", tree, revision(name))
            if added.returncode:
                raise CannotMeasure(f"{place} {name}: no worktree: {added.stderr.strip().splitlines()[-1]}")
            paths.append(os.path.join(build(f"{place} {name}", tree, target, os.path.join(tree, "build/gate")), target))
        yield paths
    finally:
        for place in ("base", "head"):
            _git("worktree", "remove", "--force", os.path.join(folder, place))
        shutil.rmtree(folder, ignore_errors=True)
