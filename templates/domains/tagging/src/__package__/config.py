"""Settings of a run. Every field is a flag: `batch_size` is `--batch-size`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal


@dataclass(frozen=True)
class Config:
    data: Path | None = None  # CoNLL files, a table of words and tags, of spans; else a sample
    dataset: str | None = None  # of the Hugging Face hub, such as eriktks/conll2003
    task: ClassVar[Literal["tagging"]] = "tagging"
    columns: str | None = None  # WORDS:TAGS of a table, numbers in CoNLL files, as 1:4
    num_workers: int = 0  # loading processes; words are encoded before the start

    pretrained: str | None = None  # fine-tune a network of transformers, by its name or a folder
    freeze: bool = False  # train the head of a pretrained network alone

    epochs: int = 0  # 0: by the number of examples
    patience: int = 0  # epochs without a better validation that end the run; 0: half of all
    batch_size: int = 0  # examples a step, over all processes; 0: 16
    lr: float = 0.0  # peak learning rate of AdamW; 0: 2e-3, for a pretrained network 1e-3

    seed: int = 0
    device: str = "auto"  # auto: CUDA, then MPS, then the CPU
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"  # auto: by the GPU; CPU: fp32
    compile: bool = False  # takes minutes at first
    run_dir: Path | None = None  # default: runs/<time>
    resume: str | None = None  # the folder of a run to go on with, or auto: the newest
    dry_run: bool = False  # two batches of everything


def with_defaults(config: Config, num_examples: int) -> Config:
    """Fill in what follows from the number of training examples, and say it."""
    batch_size = config.batch_size or 16
    steps = max(1, num_examples // batch_size)  # of an epoch
    enough = 400 if not (config.data or config.dataset) else 1600  # steps; the sample is easy
    epochs = config.epochs or (8 if config.pretrained else min(max(enough // steps, 6), 30))
    epochs, steps = (1, 2) if config.dry_run else (epochs, steps)
    lr = config.lr or (1e-3 if config.pretrained else 2e-3)
    print(f"{epochs} epochs of {steps} steps of {batch_size}, lr {lr}")
    config = replace(config, epochs=epochs, batch_size=batch_size, lr=lr)
    return replace(config, patience=config.patience or max(epochs // 2, 3))
