"""Settings of a run. Every field is a flag: `batch_size` is `--batch-size`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Config:
    # Data
    data: Path | None = None
    """Folders of classes, a table of paths and labels, or an archive; default: a sample."""
    dataset: str | None = None
    """speech_commands, or a data set of the Hugging Face hub."""
    task: Literal["classification", "multilabel", "regression"] = "classification"
    columns: str | None = None
    """INPUT:TARGET[,TARGET], the columns of a table, where their names do not tell."""
    seconds: float | None = None
    """Sounds become clips of this length; default: as long as most sounds are, 5 at most."""
    sample_rate: int | None = None
    """Samples a second; default: as in the files, 16000 at most."""
    num_workers: int | None = None
    """Loading processes; default: by the number of cores and of sounds."""

    # Model
    pretrained: str | None = None
    """Fine-tune a network of timm or of transformers by its name, or one from a folder."""
    freeze: bool = False
    """Train the head of a pretrained network alone."""

    # Optimization
    epochs: int | None = None
    """Default: by the number of examples."""
    batch_size: int = 32
    """Examples a step, over all processes."""
    lr: float | None = None
    """Peak learning rate of AdamW; default: 3e-3, for a pretrained network 1e-3 or less."""

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
