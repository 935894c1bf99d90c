"""Layers as one importable package, as they stand in `templates/`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ptscaffold.layers.catalogue import templates_root


def assemble(name: str, *layers: str) -> Callable[[str], Any]:
    """Make a package out of layers, later over earlier ones; give what imports its modules."""
    package, root = ModuleType(name), templates_root()
    package.__path__ = [str(root / layer / "src" / "__package__") for layer in reversed(layers)]
    sys.modules[name] = package
    return lambda module: importlib.import_module(f"{name}.{module}")
