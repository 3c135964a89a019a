#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_cases.py FOLDER: random settings of conv1d, conv_transpose1d, max_pool1d and avg_pool1d with what PyTorch makes of
them in float64. Needs PyTorch; test_cases.c, which reads the result, does not.

cases.txt  one setting a line: rows channels length seed op(arguments)
cases.f32  little-endian float32 for each line: value, gradients of the input, the weight and the bias, where there are any

Input, weight, bias and the gradient of the value are Philox numbers in [-1, 1) of the seed, which test_cases.c draws, too.
"""
import random
import struct
import sys

import torch
import torch.nn.functional as F

COUNTS = {"conv1d": 90, "conv_transpose1d": 70, "max_pool1d": 50, "avg_pool1d": 50}
STREAM = 4
MOST, MOST_LARGE = 450, 2500  # values of an ordinary case, and of every tenth
CHANNELS = [1, 2, 3, 4, 6, 8, 12, 16, 18, 24, 32, 36]


def philox(seed, stream, counter):
    c = list(counter)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ seed, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ stream, p0 & 0xFFFFFFFF]
        seed, stream = (seed + 0x9E3779B9) & 0xFFFFFFFF, (stream + 0xBB67AE85) & 0xFFFFFFFF
    return c


def numbers(seed, array, *shape):
    """Array 0: input, 1: weight, 2: bias, 3: gradient of the value."""
    count = torch.Size(shape).numel()
    words = (philox(seed, STREAM, (i, array, 0, 0)) for i in range(count))
    flat = [2.0 * ((w[0] << 32 | w[1]) >> 11) * 2.0**-53 - 1.0 for w in words]
    return torch.tensor(flat, dtype=torch.float32).to(torch.float64).reshape(shape).requires_grad_()


def text_of(op, first, arguments):
    return op + "(" + ", ".join([str(first)] + [f"{k}={str(v).lower()}" for k, v in arguments.items()]) + ")"


def conv1d(rng, seed):
    groups = rng.choice([1, 1, 1, 2, 3, 4])
    channels, out = (rng.choice([c for c in CHANNELS if c % groups == 0]) for _ in range(2))
    a = {"kernel_size": rng.randint(1, 6), "stride": rng.randint(1, 4), "padding": rng.randint(0, 7),
         "dilation": rng.randint(1, 4), "groups": groups, "bias": rng.random() < 0.8}
    a["padding"] = rng.choice([a["padding"], a["padding"], "same", "valid", "causal"])
    if a["padding"] == "same":
        a["stride"] = 1
    rows, length = rng.randint(1, 5), rng.randint(2, 24)
    span = a["dilation"] * (a["kernel_size"] - 1)
    pad = a["padding"] if isinstance(a["padding"], int) else 0
    if length + 2 * pad <= span and a["padding"] not in ("same", "causal"):
        return None
    x = numbers(seed, 0, rows, channels, length)
    w = numbers(seed, 1, out, channels // groups, a["kernel_size"])
    b = numbers(seed, 2, out) if a["bias"] else None
    padded, given = (F.pad(x, (span, 0)), 0) if a["padding"] == "causal" else (x, a["padding"])
    y = F.conv1d(padded, w, b, a["stride"], given, a["dilation"], groups)
    return x, [w, b] if a["bias"] else [w], y, text_of("conv1d", out, a)


def conv_transpose1d(rng, seed):
    groups = rng.choice([1, 1, 1, 2, 3, 4])
    channels, out = (rng.choice([c for c in CHANNELS if c % groups == 0]) for _ in range(2))
    a = {"kernel_size": rng.randint(1, 6), "stride": rng.randint(1, 4), "padding": rng.randint(0, 4),
         "output_padding": 0, "groups": groups, "bias": rng.random() < 0.8, "dilation": rng.randint(1, 4)}
    a["output_padding"] = rng.randint(0, max(a["stride"], a["dilation"]) - 1)
    rows, length = rng.randint(1, 5), rng.randint(2, 12)
    full = (length - 1) * a["stride"] + a["dilation"] * (a["kernel_size"] - 1) + a["output_padding"] + 1
    if full - 2 * a["padding"] < 1:
        return None
    x = numbers(seed, 0, rows, channels, length)
    w = numbers(seed, 1, channels, out // groups, a["kernel_size"])
    b = numbers(seed, 2, out) if a["bias"] else None
    y = F.conv_transpose1d(x, w, b, a["stride"], a["padding"], a["output_padding"], groups, a["dilation"])
    return x, [w, b] if a["bias"] else [w], y, text_of("conv_transpose1d", out, a)


def pool(rng, seed, op):
    kernel = rng.randint(1, 6)
    a = {"padding": rng.randint(0, kernel // 2), "ceil_mode": rng.random() < 0.5}
    if rng.random() < 0.8:
        a["stride"] = rng.randint(1, 7)
    if op == "avg_pool1d":
        a["count_include_pad"] = rng.random() < 0.5
    rows, channels, length = rng.randint(1, 5), rng.choice(CHANNELS), rng.randint(2, 24)
    room = length + 2 * a["padding"] + (a.get("stride", kernel) - 1 if a["ceil_mode"] else 0)
    if room < kernel:
        return None
    x = numbers(seed, 0, rows, channels, length)
    return x, [], getattr(F, op)(x, kernel, **a), text_of(op, kernel, a)


def case(rng, seed, op, most):
    """The line of a setting and its results; None: not a setting that PyTorch takes, or too large."""
    made = {"conv1d": conv1d, "conv_transpose1d": conv_transpose1d}.get(op, lambda r, s: pool(r, s, op))(rng, seed)
    if not made:
        return None
    x, params, y, text = made
    g = numbers(seed, 3, *y.shape)
    results = [y.detach(), *torch.autograd.grad(y, [x, *params], g.detach())]
    if sum(r.numel() for r in results) > most:
        return None
    rows, channels, length = x.shape
    return f"{rows} {channels} {length} {seed} {text}\n", [v for r in results for v in r.flatten().tolist()]


def main(folder):
    rng = random.Random(1)
    seed = 0
    with open(f"{folder}/cases.txt", "w", encoding="ascii") as lines, open(f"{folder}/cases.f32", "wb") as values:
        for op, count in COUNTS.items():
            for i in range(count):
                made = None
                while not made:
                    seed += 1
                    made = case(rng, seed, op, MOST_LARGE if i % 10 == 9 else MOST)
                lines.write(made[0])
                values.write(struct.pack(f"<{len(made[1])}f", *made[1]))


if __name__ == "__main__":
    main(sys.argv[1])
