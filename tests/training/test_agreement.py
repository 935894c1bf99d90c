"""The styles start from the same: the same model and batch give the same loss and gradient."""

from __future__ import annotations

import json

import pytest
from training.conftest import Package, finish

CELLS = [
    f"{domain}-{style}"
    for domain in ("vision", "text", "audio")
    for style in ("plain", "lightning", "fastai")  # Accelerate computes a step as plain does
]

# The loss and the norm of the gradient of one batch, by what each style computes a step with.
PROBE = """
import json, sys
from importlib import import_module

import torch
from torch import nn

name, style = sys.argv[1].split("_")[0], sys.argv[1].split("_")[1]
module = lambda part: import_module(f"{sys.argv[1]}.{part}")
config = module("config").Config(device="cpu", num_workers=0)
data, Task = module("data"), module("task").Task
table = data.make_table(config)
spec, task = data.make_spec(config, table), Task.fit(config.task, table)
rows = table[table["split"] == "val"][:16]
inputs = map(data.make_transform(spec), data.preload(list(rows["input"]), spec))
items = list(zip(inputs, map(task.encode, rows["target"]), strict=True))
batch = next(iter(torch.utils.data.DataLoader(items, 16, collate_fn=data.collate)))
nn.init.zeros_ = lambda tensor: nn.init.normal_(tensor, std=0.1)
torch.manual_seed(0)
model = module("model").make_model(spec, len(task.names)).eval()
if style == "lightning":
    from dataclasses import asdict

    hparams = {"spec": asdict(spec), "task": asdict(task), "lr": 1e-3, "freeze": False, "seed": 0}
    lit = module("module").Module(**hparams).eval()
    lit.model.load_state_dict(model.state_dict())
    lit.log = lit.log_dict = lambda *args, **kwargs: None
    model, loss = lit.model, lit.training_step(batch, 0)
elif style == "fastai":
    loss = module("learner").TaskLoss(task)(model(batch[0]), batch[1])
else:
    loss = task.loss(model(batch[0]), batch[1])
loss.backward()
norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
print(json.dumps([loss.item(), norm.item()]))
"""


@pytest.fixture(scope="module")
def found() -> dict[str, list[list[float]]]:
    return {}


@pytest.mark.nightly
@pytest.mark.parametrize("package", CELLS, indirect=True)
def test_a_batch_has_one_loss_and_one_gradient(
    package: Package, found: dict[str, list[list[float]]]
) -> None:
    stdout = finish(package.python("-c", PROBE, package.name))
    told = json.loads(stdout.splitlines()[-1])
    seen = found.setdefault(package.name.partition("_")[0], [])
    seen.append(told)
    assert told[1] > 1e-3, "a gradient that says nothing"
    assert told == pytest.approx(seen[0], rel=1e-4)
