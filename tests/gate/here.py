# SPDX-License-Identifier: MIT
"""Puts bench/ on the path of the gate's tests."""
import os
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GATE = os.path.join(ROOT, "bench", "gate")
sys.path.insert(0, os.path.join(ROOT, "bench"))
