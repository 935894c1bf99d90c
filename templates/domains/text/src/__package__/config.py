"""Settings of a run. Every field is a flag: `batch_size` is `--batch-size`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Config:
    data: Path | None = None  # a table of texts and labels, folders of classes; else a sample
    dataset: str | None = None  # of the Hugging Face hub, such as fancyzhx/ag_news
    task: Literal["classification", "multilabel", "regression"] = "classification"
    columns: str | None = None  # of a table, as INPUT:TARGET[,TARGET], if their names do not tell
    max_length: int = 0  # tokens of a text, the rest is cut off; 0: 256
    num_workers: int = 0  # loading processes; texts are encoded before the start

    pretrained: str | None = None  # fine-tune a network of transformers, by its name or a folder
    freeze: bool = False  # train the head of a pretrained network alone
    lora: bool = False  # train changes of low rank of a pretrained network alone

    epochs: int = 0  # 0: by the number of examples
    patience: int = 0  # epochs without a better validation that end the run; 0: half of all
    batch_size: int = 32  # examples a step, over all processes
    lr: float = 1e-3  # peak learning rate of AdamW

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
    enough = 400 if not (config.data or config.dataset) else 1600  # steps; the sample is easy
    epochs = config.epochs or (6 if config.pretrained else min(max(enough // steps, 6), 30))
    epochs, steps = (1, 2) if config.dry_run else (epochs, steps)
    print(f"{epochs} epochs of {steps} steps of {config.batch_size}, lr {config.lr}")
    patience = config.patience or max(epochs // 2, 3)
    return replace(config, epochs=epochs, patience=patience)
