"""What `--log-level full` adds to TensorBoard: histograms, curves, embeddings, memory."""

import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.tensorboard import SummaryWriter

from .config import Config
from .loaders import Datasets, Loader
from .preview import describe_inputs
from .runtime import Runtime

EXAMPLES = 1000  # of the validation split, at most, but for the rest of a batch
CLASSES = 20  # with a curve of their own, at most


def watch_gradients(
    writer: SummaryWriter, model: nn.Module, optimizer: Optimizer, every: int, step: int
) -> None:
    """Write histograms of the gradients after every so many steps, counted from `step`."""

    def note(*_: Any) -> None:
        nonlocal step
        step += 1
        if step % every == 0:
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    writer.add_histogram(f"gradients/{name}", own_part(parameter.grad), step)

    optimizer.register_step_post_hook(note)


def log_validation(
    writer: SummaryWriter | None,
    model: nn.Module,
    loader: Loader,
    datasets: Datasets,
    config: Config,
    runtime: Runtime,
    row: dict[str, float],
) -> None:
    """Write what is costly, once an epoch; the embeddings after the last one.

    All processes must call it, those that do not write without a `writer`.
    """
    step, classes = int(row["step"]), datasets.classes
    texts, images, labels, features, logits = collect(model, loader, datasets, config, runtime)
    if writer is None:
        return
    for name, parameter in model.named_parameters():
        writer.add_histogram(f"weights/{name}", own_part(parameter), step)
    for index, name in enumerate(classes[:CLASSES]):
        scores = logits.softmax(dim=1)[:, index]
        writer.add_pr_curve(f"precision_recall/{name}", labels == index, scores, step)
    writer.add_scalar("memory/peak_gb", peak_memory(runtime.device) / 1e9, step)
    if config.dry_run or row["epoch"] == config.epochs:
        named: list[Any] = [classes[label] for label in labels]
        header = ["class", "text"] if any(texts) else None
        if header:
            named = [list(pair) for pair in zip(named, texts, strict=True)]
        writer.add_embedding(features, named, images, step, "validation", metadata_header=header)


@torch.inference_mode()
def collect(
    model: nn.Module, loader: Loader, datasets: Datasets, config: Config, runtime: Runtime
) -> tuple[list[str], Tensor | None, Tensor, Tensor, Tensor]:
    """Run the model on the first examples: texts, images (N, 3, 32, 32), labels (N,), features
    (N, C) as they enter the head, logits (N, classes), all on the CPU.
    """
    texts: list[str] = []
    images, labels, features, logits = [], [], [], []
    head = model.get_submodule("head")
    hook = head.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0].float()))
    training = model.training
    model.eval()
    for inputs, targets in loader:
        # A compiled graph, made before the hook was there, would leave it out
        with runtime.autocast(), torch.compiler.set_stance("force_eager"):
            logits.append(model(inputs.to(runtime.device)).float())
        labels.append(targets.cpu())
        described, thumbnails = describe_inputs(inputs.cpu(), config, datasets.state)
        texts += described
        images += [] if thumbnails is None else [thumbnails]
        if len(texts) >= EXAMPLES:
            break
    model.train(training)
    hook.remove()
    pictures = torch.cat(images) if images else None
    return texts, pictures, torch.cat(labels), torch.cat(features).cpu(), torch.cat(logits).cpu()


def own_part(value: Tensor) -> Tensor:
    """Of a tensor that is sharded (FSDP2), the part of this process; any other as it is."""
    to_local = getattr(value, "to_local", None)  # of a DTensor, whose import takes a second
    return to_local() if to_local else value


def peak_memory(device: torch.device) -> int:
    """Most bytes in use so far: of the GPU's memory, else of this process; 0 where unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
