"""Settings of a run. Every field is a flag: `batch_size` is `--batch-size`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Config:
    # Data
    data: Path | None = None
    """A table of texts and labels, folders of classes, or an archive; default: a sample."""
    dataset: str | None = None
    """A data set of the Hugging Face hub, such as fancyzhx/ag_news."""
    task: Literal["classification", "multilabel", "regression"] = "classification"
    columns: str | None = None
    """INPUT:TARGET[,TARGET], the columns of a table, where their names do not tell."""
    max_length: int = 0
    """Tokens of a text, the rest is cut off; 0: 256."""
    num_workers: int = -1
    """Loading processes; -1: none, since the texts are encoded before training starts."""

    # Model
    pretrained: str | None = None
    """Fine-tune a network of transformers by its name, or one from a folder."""
    freeze: bool = False
    """Train the head of a pretrained network alone."""
    lora: bool = False
    """Train low-rank changes of a pretrained network alone; needs peft."""

    # Optimization
    epochs: int = 0
    """0: by the number of examples."""
    patience: int = 0
    """Epochs without a better validation that end the run; 0: half of all."""
    batch_size: int = 32
    """Examples a step, over all processes."""
    lr: float = 0.0
    """Peak learning rate of AdamW; 0: 2e-3, for a pretrained network 1e-3."""

    # Run
    seed: int = 0
    device: str = "auto"
    """auto: CUDA, then MPS, then the CPU."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: bf16 on GPUs that have it, fp16 on older ones, fp32 elsewhere."""
    compile: bool = False
    run_dir: Path | None = None
    """Default: runs/<time>."""
    resume: str | None = None
    """The folder of a run to go on with, or auto: the newest."""
    dry_run: bool = False
    """Two batches of everything."""


def with_defaults(config: Config, num_examples: int) -> Config:
    """Fill in what follows from the number of training examples, and say it."""
    steps = max(1, num_examples // config.batch_size)  # of an epoch
    enough = 400 if not (config.data or config.dataset) else 1000  # steps; the sample is easy
    epochs = config.epochs or (6 if config.pretrained else min(max(enough // steps, 6), 30))
    lr = config.lr or (1e-3 if config.pretrained else 2e-3)
    workers = max(config.num_workers, 0)
    print(f"{epochs} epochs of {steps} steps, peak learning rate {lr}, {workers} loading processes")
    patience = config.patience or max(epochs // 2, 3)
    return replace(config, epochs=epochs, lr=lr, num_workers=workers, patience=patience)
