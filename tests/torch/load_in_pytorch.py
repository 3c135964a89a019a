#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""load_in_pytorch.py CHECKPOINT LIBRARY: a saved built-in `conv1d` (lockstep train --model conv1d --save CHECKPOINT) loads
into PyTorch's nn.Sequential with strict=True, and both give the same logits. LIBRARY is liblockstep.so. Needs PyTorch.
"""
import ctypes
import json
import struct
import sys

import torch
from torch import nn

ROWS, TOLERANCE = 100, 1e-5
LOGITS = b"9"  # the last op's name in the pipeline


def sequential():
    return nn.Sequential(
        nn.Conv1d(28, 64, 3, padding="same"), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(64, 128, 3, padding="same"), nn.ReLU(), nn.MaxPool1d(2),
        nn.Flatten(), nn.Linear(896, 128), nn.ReLU(), nn.Linear(128, 10))


def safetensors(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    tensors = {}
    for name, t in header.items():
        if name != "__metadata__":
            begin, end = t["data_offsets"]
            values = struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])
            tensors[name] = torch.tensor(values).reshape(t["shape"])
    return tensors


def lockstep_logits(path, library, x):
    class Error(ctypes.Structure):
        _fields_ = [("status", ctypes.c_int), ("text", ctypes.c_char * 512)]

    class Options(ctypes.Structure):
        _fields_ = [("threads", ctypes.c_uint), ("isa", ctypes.c_char_p), ("reduce", ctypes.c_char_p),
                    ("keep_values", ctypes.c_bool)]

    lockstep, error, model = ctypes.CDLL(library), Error(), ctypes.c_void_p()

    def call(name, *arguments):
        if getattr(lockstep, name)(*arguments, ctypes.byref(error)):
            sys.exit(error.text.decode())

    values = (ctypes.c_float * x.numel())(*x.flatten().tolist())
    logits = (ctypes.c_float * (ROWS * 10))()
    call("lockstep_model_load", path.encode(), ctypes.byref(Options(keep_values=True)), ctypes.byref(model))
    call("lockstep_set", model, b"input", values, ctypes.c_size_t(len(values)))
    call("lockstep_forward", model, None)
    call("lockstep_get", model, LOGITS, logits, ctypes.c_size_t(len(logits)))
    lockstep.lockstep_model_free(model)
    return torch.tensor(list(logits)).reshape(ROWS, 10)


def main(path, library):
    model = sequential()
    model.load_state_dict(safetensors(path), strict=True)
    x = torch.rand(ROWS, 28, 28, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model.double()(x.double())
    got = lockstep_logits(path, library, x).double()
    most, difference = expected.abs().max().item(), (got - expected).abs().max().item()
    print(f"{ROWS} rows: largest logit {most:.3f}, largest difference {difference:.2e}")
    if not difference <= TOLERANCE * most:
        sys.exit("the logits differ")


if __name__ == "__main__":
    main(*sys.argv[1:])
