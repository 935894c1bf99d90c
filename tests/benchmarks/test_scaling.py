"""The model of step times on paper: its limits, and that it is what its formulas say."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
from benchmarks.conftest import BENCHMARKS

NUMBERS = [2**power for power in range(11)]


@pytest.fixture
def scaling(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("scaling")


def test_one_gpu_computes_and_nothing_else(scaling: ModuleType) -> None:
    for parameters, blocks in scaling.MODELS.values():
        for step in (scaling.ddp_step(parameters, 1), scaling.fsdp_step(parameters, 1, blocks)):
            assert step.communication == step.exposed == 0
            assert step.time == step.compute == scaling.compute_time(parameters)
    assert scaling.compute_time(1e9) == pytest.approx(6 * 1e9 * 8192 / (0.4 * 989e12))


def test_more_gpus_never_make_a_step_shorter(scaling: ModuleType) -> None:
    for parameters, blocks in scaling.MODELS.values():
        steps = [scaling.ddp_step(parameters, n) for n in NUMBERS]
        shards = [scaling.fsdp_step(parameters, n, blocks) for n in NUMBERS]
        for curve in (steps, shards):
            assert [step.time for step in curve] == sorted(step.time for step in curve)
            assert all(0 <= step.exposed <= step.communication for step in curve)
    for cost in (scaling.gather_time, scaling.all_reduce_time):
        assert [cost(1e8, n) for n in NUMBERS] == sorted(cost(1e8, n) for n in NUMBERS)
        assert cost(2e8, 64) > cost(1e8, 64)


def test_collectives_cost_what_the_closed_formulas_say(scaling: ModuleType) -> None:
    size = 1e9
    inside = 8.4e-6 + 7 * 3.4e-6 + 7 / 8 * size / (0.8 * 450e9)
    between = 8.4e-6 + 14 * 3.4e-6 + 9.6e-6 + 15 / 16 * size / (0.8 * 400e9)
    assert scaling.gather_time(size, 8) == pytest.approx(inside, rel=1e-12)
    assert scaling.gather_time(size, 16) == pytest.approx(between, rel=1e-12)
    assert scaling.all_reduce_time(size, 16) == pytest.approx(2 * between, rel=1e-12)
    tree = 4.4e-6 + 2 * (7 * 1.2e-6 + 7 * 8.5e-6) + 2 * 1e3 / (0.9 * 0.8 * 400e9)
    assert scaling.all_reduce_time(1e3, 1024) == pytest.approx(tree, rel=1e-12)


def test_a_slow_network_hides_nothing_and_a_fast_one_all_but_the_ends(
    scaling: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 100 MB of gradients there are four buckets, with four blocks as many gathers."""
    for name in ("RING", "TREE"):
        monkeypatch.setattr(scaling, name, (0.0, 0.0, 0.0))
    for factor in (1e9, 1e-6):
        monkeypatch.setattr(scaling, "NVLINK", 450e9 * factor)
        ddp, fsdp = scaling.ddp_step(25e6, 8), scaling.fsdp_step(25e6, 8, 4)
        if factor > 1:
            assert ddp.exposed == pytest.approx(ddp.communication / 4)
            assert fsdp.exposed == pytest.approx(fsdp.communication / 4)
        else:
            assert ddp.exposed == pytest.approx(ddp.communication, rel=1e-3)
            assert fsdp.exposed == pytest.approx(fsdp.communication, rel=1e-3)


def test_the_committed_table_is_that_of_the_script(scaling: ModuleType) -> None:
    assert (BENCHMARKS / "scaling.md").read_text(encoding="utf-8") == scaling.table()
