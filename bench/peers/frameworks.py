#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""frameworks.py pytorch|numpy MODEL BATCH THREADS FOLDER: trains as lockstep-peers train does, for each line on stdin one
epoch of whole batches, and prints "SECONDS LOSS". Images stay in memory as floats; the order is the same for all."""
import gzip
import os
import sys
import time

WHO, MODEL, BATCH, THREADS, FOLDER = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
for name in ("OMP", "OPENBLAS", "MKL"):
    os.environ[name + "_NUM_THREADS"] = str(THREADS)

import numpy as np  # noqa: E402

SIZES = {"mlp": (784, 512, 256, 10), "two-layer": (784, 100, 10)}
RATE, MOMENTUM = np.float32(0.05), np.float32(0.9)


def idx(name, offset):
    path = os.path.join(FOLDER, name)
    with (open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz")) as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)


def data():
    labels = idx("train-labels-idx1-ubyte", 8).astype(np.int64)
    images = idx("train-images-idx3-ubyte", 16).reshape(-1, 784).astype(np.float32) / np.float32(255)
    order = np.arange(len(labels), dtype=np.int64) * 7919 % len(labels)
    return images, labels, order


class PyTorch:
    def __init__(self):
        import torch

        torch.set_num_threads(THREADS)
        torch.set_flush_denormal(True)
        images, labels, order = data()
        self.torch = torch
        self.x, self.t, self.order = (torch.from_numpy(a) for a in (images, labels, order))
        self.model = self.network(torch.nn)
        for layer in self.model:
            if hasattr(layer, "weight"):
                torch.nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
                torch.nn.init.zeros_(layer.bias)
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=float(RATE), momentum=float(MOMENTUM))

    @staticmethod
    def network(nn):
        if MODEL == "conv1d":
            return nn.Sequential(nn.Unflatten(1, (28, 28)),
                                 nn.Conv1d(28, 64, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2),
                                 nn.Conv1d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2),
                                 nn.Flatten(), nn.Linear(896, 128), nn.ReLU(), nn.Linear(128, 10))
        sizes = SIZES[MODEL]
        layers = [layer for i, o in zip(sizes, sizes[1:]) for layer in (nn.Linear(i, o), nn.ReLU())]
        return nn.Sequential(*layers[:-1])

    def step(self, rows):
        index = self.order[rows]
        self.optimiser.zero_grad()
        loss = self.torch.nn.functional.cross_entropy(self.model(self.x[index]), self.t[index])
        loss.backward()
        self.optimiser.step()
        return loss.detach()


class NumPy:
    def __init__(self):
        self.x, self.t, self.order = data()
        rng = np.random.default_rng(1)
        pairs = list(zip(SIZES[MODEL], SIZES[MODEL][1:]))
        self.w = [rng.uniform(-1, 1, p).astype(np.float32) * np.float32((6 / p[0]) ** 0.5) for p in pairs]
        self.w += [np.zeros(o, np.float32) for _, o in pairs]
        self.m = [np.zeros_like(w) for w in self.w]
        self.n = len(pairs)

    def step(self, rows):
        index, n = self.order[rows], self.n
        values, t = [self.x[index]], self.t[index]
        for i in range(n):
            z = values[-1] @ self.w[i]
            z += self.w[n + i]
            values.append(np.maximum(z, 0, out=z) if i + 1 < n else z)
        z = values.pop()
        z -= z.max(axis=1, keepdims=True)
        d = np.exp(z)
        total = d.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(total[:, 0]) - z[np.arange(BATCH), t])
        d /= total
        d[np.arange(BATCH), t] -= 1
        d /= np.float32(BATCH)
        gradients = [None] * (2 * n)
        for i in reversed(range(n)):
            gradients[i], gradients[n + i] = values[i].T @ d, d.sum(axis=0)
            if i:
                d = d @ self.w[i].T
                d *= values[i] > 0
        for w, m, g in zip(self.w, self.m, gradients):
            m *= MOMENTUM
            m += g
            w -= RATE * m
        return loss


def main():
    if WHO == "versions":
        import torch

        print(f"pytorch {torch.__version__}\nnumpy {np.__version__}")
        return
    runner = {"pytorch": PyTorch, "numpy": NumPy}[WHO]()
    loss = None
    for _ in sys.stdin:
        start = time.perf_counter()
        for step in range(len(runner.t) // BATCH):
            loss = runner.step(slice(step * BATCH, (step + 1) * BATCH))
        print(f"{time.perf_counter() - start:.6f} {float(loss):.4f}", flush=True)


if __name__ == "__main__":
    main()
