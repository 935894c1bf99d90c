"""What TensorBoard shows of the validation texts."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from .config import Config
from .tokenizer import load_tokenizer


def log_predictions(
    writer: SummaryWriter,
    inputs: Tensor,
    labels: Tensor,
    logits: Tensor,
    classes: Sequence[str],
    step: int,
    config: Config,
    state: Mapping[str, Any],
) -> None:
    """Write a table of the texts, given as token ids (B, T), with their classes and predictions."""
    tokenizer = load_tokenizer(state["tokenizer"])
    scores, predictions = logits.softmax(dim=1).max(dim=1)
    lines = ["| text | true | predicted | confidence |", "|---|---|---|---|"]
    for ids, label, prediction, score in zip(inputs, labels, predictions, scores, strict=True):
        cells = [tokenizer.decode(ids.tolist()), classes[label], classes[prediction]]
        mark = "" if label == prediction else " (wrong)"
        lines.append(f"| {' | '.join(map(escape, cells))}{mark} | {score:.0%} |")
    writer.add_text("predictions/texts", "\n".join(lines), step)


def escape(text: str) -> str:
    """Make any text a cell of a Markdown table that shows the text itself."""
    text = re.sub(r"[\\`*_\[\]<>&|]", lambda found: f"&#{ord(found[0])};", text)
    return " ".join(text.split())


def describe_inputs(
    inputs: Tensor, config: Config, state: Mapping[str, Any]
) -> tuple[list[str], Tensor | None]:
    """Give the text of each row of token ids (B, T); there are no thumbnails."""
    texts = load_tokenizer(state["tokenizer"]).decode_batch(inputs.tolist())
    return [" ".join(text.split()) for text in texts], None
