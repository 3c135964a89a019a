# SPDX-License-Identifier: MIT
"""The performance gate: bench/gate is its program, docs/gate.md its description."""
