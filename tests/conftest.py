"""Settings of all tests."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile

# Without cached bytecode every process takes three times as long to import torch.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell that runs the tests in its background makes them, and what they start, deaf to Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What the tool keeps of a user is that of the tests, and goes with them; packages of uv are not, or
# every process would fetch gigabytes of its own.
if "UV_CACHE_DIR" not in os.environ and shutil.which("uv"):
    os.environ["UV_CACHE_DIR"] = subprocess.check_output(["uv", "cache", "dir"], text=True).strip()
for name in ("STATE", "CACHE"):
    os.environ[f"XDG_{name}_HOME"] = tempfile.mkdtemp(prefix=f"ptscaffold-{name.lower()}-")
    atexit.register(shutil.rmtree, os.environ[f"XDG_{name}_HOME"], ignore_errors=True)
