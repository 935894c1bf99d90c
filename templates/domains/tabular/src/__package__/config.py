"""Settings of a run. Every field is a flag: `batch_size` is `--batch-size`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal


@dataclass(frozen=True)
class Config:
    data: Path | None = None  # a table, or a folder with one for each split; else a sample
    dataset: str | None = None  # of the Hugging Face hub, such as scikit-learn/adult-census-income
    task: Literal["classification", "multilabel", "regression"] = "classification"
    columns: str | None = None  # [INPUT,INPUT]:TARGET[,TARGET]; no inputs: all other columns
    num_bins: int = 0  # pieces of the range of a column of numbers; 0: by the number of rows
    num_workers: int = 0  # loading processes; rows are encoded before the start

    pretrained: ClassVar[None] = None  # no network of one table knows the columns of another
    freeze: ClassVar[bool] = False

    epochs: int = 0  # 0: by the number of examples
    patience: int = 0  # epochs without a better validation that end the run; 0: half of all
    batch_size: int = 64  # examples a step, over all processes
    lr: float = 2e-3  # peak learning rate of AdamW

    seed: int = 0
    device: str = "auto"  # auto: CUDA, then MPS, then the CPU
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"  # auto: by the GPU; CPU: fp32
    compile: bool = False  # takes minutes at first
    run_dir: Path | None = None  # default: runs/<time>
    resume: str | None = None  # the folder of a run to go on with, or auto: the newest
    dry_run: bool = False  # two batches of everything


def with_defaults(config: Config, num_examples: int) -> Config:
    """Fill in what follows from the number of training examples, and say it."""
    steps = max(1, num_examples // config.batch_size)  # of an epoch
    enough = 3000 if config.data or config.dataset else 600  # steps; the sample is easy
    most = 150 if config.task == "regression" else 50  # numbers of a small table take longer
    epochs = config.epochs or min(max(enough // steps, 20), max(most, 300 // steps))
    epochs, steps = (1, 2) if config.dry_run else (epochs, steps)
    print(f"{epochs} epochs of {steps} steps of {config.batch_size}, lr {config.lr}")
    patience = config.patience or max(epochs // 2, 3)
    return replace(config, epochs=epochs, patience=patience)
