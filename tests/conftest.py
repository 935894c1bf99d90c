"""Settings of all tests."""

from __future__ import annotations

import os
import signal
import sys
import tempfile

# Without cached bytecode every process takes three times as long to import torch.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell that runs the tests in its background makes them, and what they start, deaf to Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What the tool keeps of a user is that of the tests.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="ptscaffold-state-")
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="ptscaffold-cache-")
