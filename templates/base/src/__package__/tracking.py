"""What a run leaves behind: its folder, `metrics.jsonl`, checkpoints and TensorBoard."""

import json
import math
import platform
import subprocess
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from . import boards, checkpoint, storage
from .config import Config
from .flags import RUNS, UserError, to_dict
from .loaders import Datasets, Loader
from .preview import log_predictions
from .runtime import Runtime

PACKAGES = (
    *("torch", "lightning", "fastai", "tensorboard", "numpy"),
    *("torchvision", "tokenizers", "soundfile", "soxr"),
)
PICTURES = 10  # about as many as TensorBoard shows of a tag
FEW_STEPS = 50  # hardly enough to leave the warmup behind
STEP_TAGS = ("train/loss", "train/accuracy", "grad_norm", "lr", "examples_per_second", "data_wait")


class Tracker:
    """The folder of a run. On all processes but the first, nothing is written."""

    def __init__(self, config: Config, runtime: Runtime, datasets: Datasets, step: int = 0) -> None:
        self.config, self.runtime, self.datasets = config, runtime, datasets
        self.run_dir = start_run(config, runtime, datasets, step)
        self.quiet = not (runtime.is_main and sys.stderr.isatty())
        self.rows = read_metrics(self.run_dir, step)
        self.writer = SummaryWriter(self.run_dir, purge_step=step + 1) if runtime.is_main else None
        self.step, self.full = step, config.log_level == "full"

    def log_graph(self, model: nn.Module, loader: Loader) -> None:
        if self.writer:
            inputs, _ = next(iter(loader))
            log_graph(self.writer, model, inputs.to(self.runtime.device))

    def watch(self, model: nn.Module, optimizer: Optimizer) -> None:
        """With `--log-level full`, write histograms of the gradients at every tenth point."""
        if self.writer and self.full:
            every = 10 * self.config.log_every
            boards.watch_gradients(self.writer, model, optimizer, every, self.step)

    def log_step(
        self, step: int, loss: Tensor, accuracy: Tensor, grad_norm: Tensor, *others: float
    ) -> None:
        """Write the scalars of a step, the `others` being lr, examples_per_second and data_wait.

        Loss and accuracy are those of this process's equal share of the step; their mean over all
        processes is written. Raises `UserError` when the loss is no longer a number.
        """
        means = self.runtime.mean(torch.stack([loss, accuracy])).tolist()
        values = [*means, grad_norm.item(), *others]  # by all processes: of shards it is a sum
        check_finite(means[0], step)
        if self.writer:
            for tag, value in zip(STEP_TAGS, values, strict=True):
                self.writer.add_scalar(tag, value, step)

    def log_epoch(
        self, row: dict[str, float], model: nn.Module, loader: Loader, confusion: Tensor
    ) -> None:
        """Write a row of `metrics.jsonl`, and the validation split to TensorBoard."""
        check_finite(row["train/loss"], int(row["step"]))
        self.rows.append(row)
        if self.writer:
            write_metrics(self.run_dir, self.rows)
            print(format_row(row))
            for tag in ("val/loss", "val/accuracy"):
                self.writer.add_scalar(tag, row[tag], int(row["step"]))
        together = model, loader, self.datasets, self.config, self.runtime, row
        log_pictures(self.writer, *together, confusion)
        if self.full:
            boards.log_validation(self.writer, *together)

    def save(self, name: str, model: nn.Module, state: Mapping[str, Any]) -> None:
        """Write a checkpoint into the folder: what prediction needs, and the state of the loop."""
        content = checkpoint.describe(model, self.config, self.datasets)
        storage.save(self.run_dir / name, {**content, **state})

    def close(self, *, finished: bool) -> dict[str, float]:
        """Write the hyper-parameters, say where the run is, and return the last row."""
        row = self.rows[-1] if self.rows else {}
        if self.writer:
            if finished and row:
                log_hparams(self.writer, self.config, row)
            self.writer.close()
            best, last = self.run_dir / "best.pt", self.run_dir / "last.pt"
            print(f"finished: {best}" if finished else f"stopped: go on with --resume {last}")
        return row


def start_run(config: Config, runtime: Runtime, datasets: Datasets, step: int) -> Path:
    """Make the folder of the run, the same for all processes, with its settings and versions."""
    chosen = [str(config.run_dir or new_folder(config))]
    if runtime.world_size > 1:
        dist.broadcast_object_list(chosen)
    run_dir = Path(chosen[0])
    if runtime.is_main:
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            describe_run(run_dir, config, datasets, step)
        except OSError as error:
            raise UserError(
                f"{run_dir} cannot be written: {error.strerror}. Give another folder by --run-dir."
            ) from error
    return run_dir


def describe_run(run_dir: Path, config: Config, datasets: Datasets, step: int) -> None:
    """Say what the run will do, and write its settings and versions, unless it has ended before."""
    print(f"run {run_dir}")
    rows = read_metrics(run_dir, step)
    if rows and rows[-1]["epoch"] >= config.epochs:
        print(f"nothing left to do after epoch {rows[-1]['epoch']:.0f}: give more --epochs")
        return
    steps = config.epochs * max(1, checkpoint.count(datasets) // config.batch_size)
    if steps < FEW_STEPS and not config.dry_run:
        print(f"few steps in all, {steps}: give more --epochs, or a smaller --batch-size")
    write_json(run_dir / "config.json", to_dict(config))
    write_json(run_dir / "versions.json", versions())


def new_folder(config: Config) -> Path:
    name = datetime.now().strftime("%Y-%m-%d_%H-%M-%S") + ("-dry-run" if config.dry_run else "")
    folder, number = RUNS / name, 2
    while folder.exists():
        folder, number = RUNS / f"{number}_{name}", number + 1
    return folder


def versions() -> dict[str, str]:
    """Give the versions of Python and the libraries, and the git commit when there is one."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    with suppress(OSError, subprocess.CalledProcessError):  # no git, or not a repository
        found["git"] = git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain") else "")
    return found


def git(*args: str) -> str:
    here = Path(__file__).parent
    done = subprocess.run(["git", *args], cwd=here, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_metrics(run_dir: Path, step: int) -> list[dict[str, float]]:
    """Read the rows of `metrics.jsonl` up to a step: what a resumed run does over is left out."""
    path = run_dir / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [row for row in map(json.loads, lines) if row["step"] <= step]


def write_metrics(run_dir: Path, rows: list[dict[str, float]]) -> None:
    scratch = run_dir / "metrics.tmp"
    scratch.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    scratch.replace(run_dir / "metrics.jsonl")


def format_row(row: Mapping[str, float]) -> str:
    """Format a row of `metrics.jsonl` for a person."""
    return (
        f"epoch {row['epoch']:3.0f}  train/loss {row['train/loss']:.4f}"
        f"  val/loss {row['val/loss']:.4f}  val/accuracy {row['val/accuracy']:.4f}"
        f"  {row['examples_per_second']:,.0f} examples/s  data_wait {row['data_wait']:.0%}"
    )


def check_finite(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise UserError(f"The loss is {loss} at step {step}. Try a lower --lr, or fp32.")


@torch.inference_mode()
def predict_logits(model: nn.Module, inputs: Tensor, runtime: Runtime) -> Tensor:
    """Run the model in evaluation mode and give its logits on the CPU; the mode is restored."""
    training = model.training
    model.eval()
    with runtime.autocast():
        logits: Tensor = model(inputs.to(runtime.device))
    model.train(training)
    return logits.float().cpu()


def log_graph(writer: SummaryWriter, model: nn.Module, inputs: Tensor) -> None:
    """Write the graph of the model, traced in evaluation mode on the first example."""
    training = model.training
    model.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the graph rests on torch.jit.trace, which is deprecated
        try:
            # Left to itself, add_graph checks the trace, and imports for that what takes seconds
            traced = torch.jit.trace(model, inputs[:1], check_trace=False)
            writer.add_graph(traced, inputs[:1])
        except Exception as error:  # the tracer raises whatever it likes; training can do without
            print(f"no graph of the model in TensorBoard: {error}", file=sys.stderr)
    model.train(training)


def log_pictures(
    writer: SummaryWriter | None,
    model: nn.Module,
    loader: Loader,
    datasets: Datasets,
    config: Config,
    runtime: Runtime,
    row: Mapping[str, float],
    confusion: Tensor,
) -> None:
    """Write the confusion matrix and predictions of about `PICTURES` epochs, also of the last."""
    epoch, step = int(row["epoch"]), int(row["step"])
    if (epoch - 1) % math.ceil(config.epochs / PICTURES) and epoch != config.epochs:
        return
    inputs, labels = (part[:16] for part in next(iter(loader)))
    logits = predict_logits(model, inputs, runtime)  # by all processes: shards are gathered
    if writer:
        classes, state = datasets.classes, datasets.state
        writer.add_figure("confusion_matrix", draw_confusion(confusion, classes), step)
        log_predictions(writer, inputs, labels, logits, classes, step, config, state)


def log_hparams(writer: SummaryWriter, config: Config, row: Mapping[str, float]) -> None:
    """Write the settings beside the final metrics, into the run itself, not one of its own."""
    settings = {k: v if isinstance(v, float | str) else str(v) for k, v in to_dict(config).items()}
    final = {f"final/{key}": value for key, value in row.items() if key.startswith("val/")}
    file_writer = writer._get_file_writer()  # add_hparams would start a run of its own
    for summary in hparams(settings, final):
        file_writer.add_summary(summary)
    for name, value in final.items():
        writer.add_scalar(name, value, int(row["step"]))


def draw_confusion(confusion: Tensor, classes: list[str]) -> Any:
    """Draw counts (classes, classes), rows the true class; colors are shares of the true class.

    Gives a figure of matplotlib.
    """
    from matplotlib.figure import Figure  # so late, since it takes a second of the first start

    size = min(12.0, 2.5 + 0.5 * len(classes))
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.add_subplot()
    shares = confusion / confusion.sum(dim=1, keepdim=True).clamp(min=1)
    axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true")
    if len(classes) <= 30:
        axes.set_xticks(range(len(classes)), classes, rotation=60, ha="right")
        axes.set_yticks(range(len(classes)), classes)
        for row, column in confusion.nonzero().tolist():
            color = "white" if shares[row, column] > 0.5 else "black"
            text = str(int(confusion[row, column]))
            axes.text(column, row, text, ha="center", va="center", color=color)
    return figure
