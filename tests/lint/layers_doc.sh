#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# layers_doc.sh SOURCE PROGRAM: docs/layers.md is what the registry of ops says.
set -euo pipefail

if ! diff -u "$1/docs/layers.md" <("$2"); then
    echo "docs/layers.md is out of date: run $2 > docs/layers.md"
    exit 1
fi
