"""Settings of all tests."""

from __future__ import annotations

import os
import sys

# Without cached bytecode every process takes three times as long to import torch.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
