"""Show what predictions rest on: one page that needs no network, and the same in TensorBoard."""

from dataclasses import dataclass
from functools import partial
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import tyro
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate
from torch.utils.tensorboard import SummaryWriter

from .attribution import attribute, called, read_given, show
from .data import collate, make_table, make_transform
from .evaluate import load_model
from .run import find, load_config
from .task import Task

HEAD = f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{__package__}</title>\n'
PAGE = """<style>
body { font: 16px/1.6 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
article { border-top: 1px solid #ccc; padding: 1rem 0; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; margin: 0 } .wrong { color: #b00 }
small { color: #666 } img, audio { display: block; max-width: 100% }
</style>
<h1>What predictions rest on</h1>
<p>Red speaks for the prediction, blue against it.</p>
"""


@dataclass(frozen=True)
class Options:
    inputs: tyro.conf.Positional[tuple[str, ...]] = ()  # default: the worst of the validation split
    checkpoint: Path | None = None  # default: the best of the newest run
    output: Path | None = None  # default: explanation.html, beside the checkpoint
    worst: int = 9  # so many examples, those with the largest loss
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def weigh(task: Task, output: int, logits: Tensor) -> Tensor:
    """Give what speaks for an output (B,): log-odds of a class or label, a number from its mean."""
    if task.kind == "classification":
        others = [i for i in range(len(task.names)) if i != output]
        return logits[:, output] - logits[:, others].logsumexp(dim=1)
    return logits[:, output] * (task.std[output] if task.kind == "regression" else 1)


@torch.no_grad()
def find_worst(rows: Any, model: nn.Module, task: Task, transform: Any, options: Options) -> Any:
    """Give the examples with the largest loss: what it is called, the item, the target."""
    pairs: Any = list(zip(rows["input"], map(task.encode, rows["target"]), strict=True))
    stack: Any = default_collate if collate is None else collate
    losses = list[Tensor]()
    for batch in DataLoader(pairs, 64, collate_fn=list):
        inputs, targets = stack([task.pair(transform, *pair) for pair in batch])
        logits = model(inputs.to(options.device)).cpu()
        losses += map(task.loss, logits.split(1), targets.split(1))
    worst = torch.tensor(losses).topk(min(options.worst, len(losses))).indices.tolist()
    return [(called(pairs[i][0], i), *pairs[i]) for i in worst]


def explain(options: Options) -> None:
    """Write the page, and for TensorBoard a run of its own in the folder of the run."""
    if not find_spec("captum"):
        raise SystemExit("Captum is missing: uv sync --extra explain")
    checkpoint = find(options.checkpoint, "best.*")
    model, task, spec = load_model(checkpoint, options.device)
    transform, articles = make_transform(spec), []
    path = options.output or checkpoint.with_name("explanation.html")
    path.parent.mkdir(parents=True, exist_ok=True)
    examples = [(*given, None) for given in read_given(options.inputs, spec)]
    if not examples:
        table = make_table(load_config(checkpoint.parent))
        examples = find_worst(table[table["split"] == "val"], model, task, transform, options)
    with SummaryWriter(str(checkpoint.parent / "explain")) as writer:
        for number, (name, item, target) in enumerate(examples, start=1):
            inputs = transform(item)[None].to(options.device)
            logits = model(inputs).detach()
            scores = task.scores(logits)[0].cpu()
            output = int((logits.abs() if task.kind == "regression" else logits).argmax())
            title, right = f"{task.names[output]} {scores[output]:.3g}", True
            if target is not None:
                title, right = task.describe(scores, target)
                if task.kind != "classification":
                    title += f", in color for {task.names[output]}"
            found = attribute(model, partial(weigh, task, output), item, inputs, spec)
            body, note = show(writer, f"explanations/{number}", (title, right), found, spec)
            print(f"{title}  {name}: {note}")
            head = f'<h2 class="{"right" if right else "wrong"}">{escape(title)}</h2>'
            foot = f"<small>{escape(name)}: {escape(note)}</small>"
            articles.append(f"<article>{head}{body}{foot}</article>")
    path.write_text(HEAD + "\n".join([PAGE, *articles]), encoding="utf-8")
    print(f"explained: {path}")


if __name__ == "__main__":
    explain(tyro.cli(Options, description=__doc__))
