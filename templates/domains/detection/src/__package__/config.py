"""Settings of a run. Every field is a flag: `batch_size` is `--batch-size`."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import torch


@dataclass(frozen=True)
class Config:
    data: Path | None = None  # COCO, Pascal VOC, YOLO, a table, an archive; else a sample
    dataset: str | None = None  # of the Hugging Face hub
    task: ClassVar[Literal["detection"]] = "detection"
    columns: str | None = None  # of a table, as IMAGE:OBJECTS, if their names do not tell
    image_size: int = 0  # pixels of a side; 0: as the images are, 256 at most, or as pretrained
    num_workers: int = -1  # loading processes; -1: by the number of cores and of images

    pretrained: str | None = None  # a network of timm, by its name or from a folder
    freeze: bool = False  # train what stands on a pretrained network alone

    epochs: int = 0  # 0: by the number of examples
    patience: int = 0  # epochs without a better validation that end the run; 0: half of all
    batch_size: int = 0  # examples a step, over all processes; 0: 16
    lr: float = 0.0  # peak learning rate of AdamW; 0: 4e-3, for a pretrained network 1e-3

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
    enough = 250 if not (config.data or config.dataset) else 3000  # steps; the sample is easy
    epochs = config.epochs or (20 if config.pretrained else min(max(enough // steps, 12), 100))
    epochs, steps = (1, 2) if config.dry_run else (epochs, steps)
    lr = config.lr or (1e-3 if config.pretrained else 4e-3)
    # Starting them takes longer than an epoch of a small set
    many = num_examples > (500 if torch.cuda.is_available() else 5_000)
    many = many and sys.platform == "linux"  # elsewhere they are sent all examples every epoch
    workers = config.num_workers if config.num_workers >= 0 else many * min(os.cpu_count() or 1, 8)
    print(f"{epochs} epochs of {steps} steps of {batch_size}, lr {lr}, {workers} loading processes")
    config = replace(config, epochs=epochs, batch_size=batch_size, lr=lr, num_workers=workers)
    return replace(config, patience=config.patience or max(epochs // 2, 3))
