"""Settings of a run. Every field is a flag: `batch_size` is `--batch-size`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal


@dataclass(frozen=True)
class Config:
    data: Path | None = None  # texts, a table of texts, of prompts and answers; else a sample
    dataset: str | None = None  # of the Hugging Face hub, such as roneneldan/TinyStories
    task: ClassVar[Literal["language-model"]] = "language-model"
    columns: str | None = None  # TEXT or PROMPT:ANSWER of a table, if their names do not tell
    max_length: int = 0  # tokens that are seen at once; 0: 256, 128 where texts are few
    num_workers: int = 0  # loading processes; texts are encoded before the start

    pretrained: str | None = None  # fine-tune a network of transformers, by its name or a folder
    lora: bool = False  # train changes of low rank of a pretrained network alone
    freeze: ClassVar[bool] = False  # its head is not new

    epochs: int = 0  # 0: by the number of examples
    patience: int = 0  # epochs without a better validation that end the run; 0: half of all
    batch_size: int = 0  # examples a step, over all processes; 0: 16, for a pretrained network 8
    lr: float = 0.0  # peak learning rate of AdamW; 0: 5e-3, 5e-5 for a pretrained network

    seed: int = 0
    device: str = "auto"  # auto: CUDA, then MPS, then the CPU
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"  # auto: by the GPU; CPU: fp32
    compile: bool = False  # takes minutes at first
    run_dir: Path | None = None  # default: runs/<time>
    resume: str | None = None  # the folder of a run to go on with, or auto: the newest
    dry_run: bool = False  # two batches of everything


def with_defaults(config: Config, num_examples: int) -> Config:
    """Fill in what follows from the number of training examples, and say it."""
    batch_size = config.batch_size or (8 if config.pretrained else 16)
    steps = max(1, num_examples // batch_size)  # of an epoch
    enough = 300 if not (config.data or config.dataset) else 2000  # steps; the sample is easy
    epochs = config.epochs or (3 if config.pretrained else min(max(enough // steps, 4), 10))
    epochs, steps = (1, 2) if config.dry_run else (epochs, steps)
    full = 5e-5 if config.pretrained else 5e-3
    lr = config.lr or (5e-4 if config.lora else full)
    print(f"{epochs} epochs of {steps} steps of {batch_size}, lr {lr}")
    config = replace(config, epochs=epochs, batch_size=batch_size, lr=lr)
    return replace(config, patience=config.patience or max(epochs // 2, 3))
