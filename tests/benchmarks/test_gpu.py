"""The benchmark of a GPU knows what a card can do at most."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.mark.parametrize(
    ("device", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H200", 989),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
        ("NVIDIA GeForce RTX 4090", 165),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA A10", None),
    ],
)
def test_the_peak_goes_by_the_name(
    device: str, tera: float | None, script: Callable[[str], ModuleType]
) -> None:
    assert script("gpu").find_peak(device) == (tera and tera * 1e12)
