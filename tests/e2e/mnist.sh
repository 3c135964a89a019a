#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mnist.sh PROGRAM: accuracy on the real MNIST in LOCKSTEP_MNIST_DIR; skipped (77) without it. Two epochs stand for the whole
# recipes: --model two-layer --batch 100 --optimizer sgd --lr 0.05 --momentum 0.9 --epochs 10 reaches 0.974, and
# --model mlp --batch 1024 --optimizer adam --lr 0.002 --epochs 10 reaches 0.980.
set -euo pipefail

if [[ -z ${LOCKSTEP_MNIST_DIR:-} ]]; then
    echo 'LOCKSTEP_MNIST_DIR is not set: skipped'
    exit 77
fi
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

at_least 0.965 --data "$LOCKSTEP_MNIST_DIR" --model two-layer --batch 100 --optimizer sgd --lr 0.05 --momentum 0.9 --epochs 2
at_least 0.965 --data "$LOCKSTEP_MNIST_DIR" --model mlp --batch 1024 --optimizer adam --lr 0.002 --epochs 2
