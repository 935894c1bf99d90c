"""Settings of a run. Every field is a flag: `batch_size` is `--batch-size`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

TASK = "audio classification"


@dataclass(frozen=True, kw_only=True)
class Config:
    # Data
    data: Annotated[Path | None, "your sounds, CLASS/*.wav or a manifest; default: a sample"] = None
    dataset: Annotated[str | None, "SpeechCommands or an archive of class folders"] = None
    data_dir: Annotated[Path, "where --dataset keeps what it downloads"] = Path("data")
    strict: Annotated[bool, "fail on an unreadable file instead of skipping it"] = False
    sample_rate: Annotated[int, "samples a second, to which sounds are resampled"] = 16000
    clip_seconds: Annotated[float, "length of a clip: sounds are cropped or padded"] = 1.0
    num_mels: Annotated[int, "mel bands of the spectrogram"] = 64
    num_workers: Annotated[int | None, "loading processes; default: chosen from the machine"] = None
    # Optimization
    epochs: Annotated[int, "passes over the training data"] = 6
    batch_size: Annotated[int, "examples per step, over all processes"] = 16
    accumulate: Annotated[int, "parts in which a step goes through its batch, to save memory"] = 1
    lr: Annotated[float, "peak learning rate of AdamW"] = 1e-2
    weight_decay: Annotated[float, "decoupled weight decay; norms and biases have none"] = 0.05
    warmup: Annotated[float, "share of the steps in which the rate rises"] = 0.1
    clip_norm: Annotated[float, "largest gradient norm of a step"] = 1.0
    ema: Annotated[float, "decay of the averaged weights, such as 0.999; 0: none"] = 0.0
    # Machine
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], "auto: CUDA, MPS, CPU"] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"], "auto: bf16 or fp16 on CUDA, else fp32"
    ] = "auto"
    compile: Annotated[bool, "compile the model with torch.compile"] = False
    recompute: Annotated[bool, "compute activations twice: less memory, more time"] = False
    # Run
    seed: Annotated[int, "seed of the weights, the splits and every random draw"] = 0
    run_dir: Annotated[Path | None, "folder of this run; default: runs/<time>"] = None
    resume: Annotated[
        str | None, "checkpoint to go on from; auto: newest run", {"nargs": "?", "const": "auto"}
    ] = None
    log_level: Annotated[
        Literal["default", "full"],
        "full: also histograms, curves, embeddings, memory",
        {"aliases": ["--log"]},
    ] = "default"
    log_every: Annotated[int, "steps between two points in TensorBoard"] = 10
    dry_run: Annotated[bool, "two batches of everything, to see that it works"] = False
