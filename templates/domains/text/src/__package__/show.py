"""What TensorBoard shows of texts."""

import re

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from .model import Spec, load_tokenizer
from .task import Task


def show(
    writer: SummaryWriter,
    inputs: list[Tensor],
    targets: Tensor,
    scores: Tensor,
    task: Task,
    spec: Spec,
    step: int,
) -> None:
    """Write texts, ids (T,), with what is predicted, scores (B, C), in bold where that is wrong."""
    lines = ["| text | predicted |", "|---|---|"]
    for ids, target, row in zip(inputs, targets, scores, strict=False):
        text = load_tokenizer(spec.tokenizer).decode(ids[ids >= 0].tolist())
        found, right = task.describe(row, target)
        found = escape(found) if right else f"**{escape(found)}**"
        lines.append(f"| {escape(text[:500])} | {found} |")
    writer.add_text("predictions", "\n".join(lines), step)


def escape(text: str) -> str:
    """Make any text a cell of a Markdown table that shows the text itself."""
    text = re.sub(r"[\\`*_\[\]<>&|]", lambda found: f"&#{ord(found[0])};", text)
    return " ".join(text.split())
