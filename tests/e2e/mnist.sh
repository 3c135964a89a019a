#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mnist.sh PROGRAM: accuracy on the real MNIST in LOCKSTEP_MNIST_DIR; skipped (77) without it. The last two are the recipe of
# the lecture notes that Lockstep grew from, 10,000 steps, and its variant with a sigmoid hidden layer.
set -euo pipefail

if [[ -z ${LOCKSTEP_MNIST_DIR:-} ]]; then
    echo 'LOCKSTEP_MNIST_DIR is not set: skipped'
    exit 77
fi
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

mnist=(--data "$LOCKSTEP_MNIST_DIR")
at_least 0.974 "${mnist[@]}" --model two-layer --batch 100 --optimizer sgd --lr 0.05 --momentum 0.9 --epochs 10
at_least 0.980 "${mnist[@]}" --model mlp --batch 1024 --optimizer adam --lr 0.002 --epochs 10
at_least 0.984 "${mnist[@]}" --model conv1d --lr-schedule cosine --epochs 5
at_least 0.985 "${mnist[@]}" --model residual --lr-schedule cosine --epochs 5
at_least 0.92 "${mnist[@]}" --model two-layer --batch 100 --optimizer sgd --lr 0.01 --init 'normal(0.01)' --epochs 17
at_least 0.94 "${mnist[@]}" --model 'flatten | linear(100) | sigmoid | linear(10)' --batch 100 --optimizer sgd --lr 0.1 \
    --init 'normal(0.01)' --epochs 16
