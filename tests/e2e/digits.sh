#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# digits.sh PROGRAM: what toolchain/train does without options reaches 0.97 after two epochs.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

at_least 0.97 --epochs 2
