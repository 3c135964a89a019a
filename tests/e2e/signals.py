#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""signals.py PROGRAM DATA: SIGINT and SIGTERM end a training with its file saved, its digest printed, and by the signal."""
import os
import signal
import subprocess
import sys
import tempfile

program, data = sys.argv[1:]


def interrupt(number, folder):
    path = os.path.join(folder, f"model-{number}")
    train = subprocess.Popen(
        [program, "train", "--data", data, "--model", "two-layer", "--epochs", "1000000", "--save", path],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert train.stdout.readline().startswith("epoch 1 ")
    train.send_signal(number)
    lines = train.communicate(timeout=60)[0].splitlines()
    assert train.returncode == -number, train.returncode
    assert lines[-1].startswith("digest "), lines[-1]
    shown = subprocess.run([program, "eval", path, "--data", data], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("test_loss "), shown
    assert not [name for name in os.listdir(folder) if "tmp" in name]


with tempfile.TemporaryDirectory() as folder:
    interrupt(signal.SIGINT, folder)
    interrupt(signal.SIGTERM, folder)
