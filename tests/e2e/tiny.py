#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tiny.py DIR: write a data set of MNIST's form, small enough to train in a moment: 2,500 + 500 images of 28 x 28, in noise a
bright band that starts at row 2 * label. The same bytes on every machine."""
import hashlib
import pathlib
import struct
import sys

SIDE = 28
ROW_BYTES = SIDE * SIDE


def write_part(folder, part, rows):
    noise = hashlib.shake_128(part.encode()).digest(rows * (ROW_BYTES + 1))
    labels = bytes(b % 10 for b in noise[rows * ROW_BYTES:])
    images = bytearray(b & 127 for b in noise[:rows * ROW_BYTES])
    for row, label in enumerate(labels):
        start = row * ROW_BYTES + 2 * label * SIDE
        band = images[start:start + 2 * SIDE]
        images[start:start + 2 * SIDE] = bytes(b + 96 for b in band)
    (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, rows, SIDE, SIDE) + images)
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, rows) + labels)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_part(folder, "train", 2500)
    write_part(folder, "t10k", 500)


main()
