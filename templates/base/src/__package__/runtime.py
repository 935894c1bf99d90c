"""GPU configuration: device, precision, processes, random draws, and a polite end on SIGTERM."""

import ctypes
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .config import Config
from .flags import UserError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Runtime:
    """What a process runs on: its device, the precision of its math, its place among the others."""

    device: torch.device
    precision: str
    rank: int = 0
    local_rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def autocast(self) -> AbstractContextManager[None]:
        enabled = self.precision != "fp32"
        return torch.autocast(self.device.type, DTYPES[self.precision], enabled=enabled)

    def place(self, model: nn.Module) -> nn.Module:
        """Move a model to the device, convolutions in the memory layout that is fast there."""
        return model.to(memory_format=torch.channels_last).to(self.device)

    def seed_step(self, seed: int, step: int) -> None:
        """Tie the random draws of a step to its number, so that a resumed run repeats them."""
        number = (seed * 1_000_003 + step) * 1_009 + self.rank
        # Not torch.manual_seed: it keeps a stack trace for every kind of device not in use
        torch.default_generator.manual_seed(number)
        if self.device.type != "cpu":
            torch.get_device_module(self.device).manual_seed(number)

    def sum(self, values: Tensor) -> Tensor:
        """Add a tensor up over all processes, in place."""
        if self.world_size > 1:
            total = values.to(self.device)  # NCCL takes no tensors of the CPU
            dist.all_reduce(total)
            values.copy_(total)
        return values

    def mean(self, values: Tensor) -> Tensor:
        """Average a tensor over all processes, in place."""
        return self.sum(values).div_(self.world_size)

    def __str__(self) -> str:
        name = str(self.device)
        if self.device.type == "cuda":
            name += f" ({torch.cuda.get_device_name(self.device)})"
        elif self.device.type == "cpu":
            name += f" ({torch.get_num_threads()} threads)"
        return f"device {name}, precision {self.precision}, world size {self.world_size}"


@contextmanager
def start(config: Config) -> Iterator[Runtime]:
    """Choose device and precision, join the processes of `torchrun`, seed; clean up after.

    Raises `UserError` when the flags ask for what the machine does not have.
    """
    runtime = choose(config)
    if runtime.device.type == "cuda":
        torch.cuda.set_device(runtime.device)
        torch.set_float32_matmul_precision("high")  # TF32 for what stays in fp32
        torch.backends.cudnn.benchmark = True
    else:
        keep_freed_memory()
    torch.manual_seed(config.seed)
    if runtime.is_main:
        print(runtime)
        if runtime.device.type == "cpu" and config.device == "auto" and (reason := why_no_gpu()):
            print(f"not on the GPU: {reason}")
    parts = runtime.world_size * config.accumulate
    if config.batch_size % parts:
        raise UserError(
            f"--batch-size {config.batch_size} cannot be divided by {parts}, the processes"
            f" ({runtime.world_size}) times --accumulate ({config.accumulate}): give a multiple of"
            f" {parts}."
        )
    if runtime.world_size == 1:
        yield runtime
        return
    backend = "nccl" if runtime.device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=timedelta(minutes=10))
    try:
        yield runtime
        dist.barrier()  # to leave while another process still talks to this one would abort it
        # Not after an error: NCCL would wait here for what the others have not finished either
        dist.destroy_process_group()
    except RuntimeError as error:
        if not is_loss(error):
            raise
        print(
            f"error: process {runtime.rank} has lost another one, which torchrun names below as the"
            " root cause. Go on with --resume auto, with as many processes as you like.",
            file=sys.stderr,
            flush=True,
        )
        time.sleep(3)  # or else torchrun might take this process for the cause
        raise SystemExit(1) from error


def keep_freed_memory() -> None:
    """Let glibc keep the memory that a step frees for the next one (`man 3 mallopt`).

    Returned to the system it comes back page by page, some 2,000 faults a step of the sample.
    """
    if sys.platform != "linux":
        return
    with suppress(AttributeError):  # another libc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-1, -1)  # M_TRIM_THRESHOLD: never return what lies at the end of the heap
        mallopt(-3, 32 * 1024**2)  # M_MMAP_THRESHOLD: the most there is, for the heap to hold


def is_loss(error: RuntimeError) -> bool:
    """Whether processes cannot talk to each other because one of them has ended."""
    said = str(error)
    return isinstance(error, dist.DistError) or "by peer" in said or "Broken pipe" in said


def choose(config: Config) -> Runtime:
    """Pick the device and the precision: what the flags say, or the best there is."""
    rank, local_rank = int(os.environ.get("RANK", 0)), int(os.environ.get("LOCAL_RANK", 0))
    world_size = int(os.environ.get("WORLD_SIZE", 1))
    name = choose_device(config.device, world_size)
    if name == "cuda" and local_rank >= torch.cuda.device_count():
        raise UserError(
            f"{torch.cuda.device_count()} GPUs are too few for the processes of torchrun: give"
            " --nproc-per-node gpu, or --device cpu."
        )
    device = torch.device(name, local_rank) if name == "cuda" else torch.device(name)
    return Runtime(device, choose_precision(config.precision, name), rank, local_rank, world_size)


def choose_device(device: str, world_size: int = 1) -> str:
    """Turn `auto` into `cuda`, `mps` or `cpu`; raises `UserError` when there is no such device."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if mps and world_size > 1:  # torch.distributed has no backend for it
        if device == "mps":
            raise UserError("--device mps is for one process: leave torchrun out, or the flag.")
        mps = False
    if device == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    if device == "cuda" and not cuda:
        reason = why_no_gpu() or "PyTorch finds no NVIDIA GPU"
        raise UserError(f"--device cuda: {reason}. Without the flag the best device is chosen.")
    if device == "mps" and not mps:
        raise UserError("--device mps needs a Mac with Apple silicon. Try --device auto.")
    return device


def choose_precision(precision: str, device: str) -> str:
    """Turn `auto` into bf16 where the GPU has it, fp16 on older ones, fp32 elsewhere."""
    if precision == "auto":
        if device != "cuda":
            return "fp32"
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if precision == "fp16" and device != "cuda":
        raise UserError(f"--precision fp16 needs CUDA, not {device}: use bf16 or fp32.")
    return precision


def why_no_gpu() -> str | None:
    """Say why an NVIDIA GPU that seems to be there is of no use; None when there is none."""
    if torch.cuda.is_available() or shutil.which("nvidia-smi") is None:
        return None
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is built without CUDA; install the CUDA build"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides it; unset it"
    return (
        f"PyTorch {torch.__version__} is built for CUDA {torch.version.cuda} and cannot use the"
        " driver; compare with the version that nvidia-smi prints, and update the driver"
    )


class StopRequest:
    """Notes SIGTERM or Ctrl-C, so that the loop can save and leave between two steps.

    A second signal ends the process at once.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.signal: int | None = None

    def __enter__(self) -> "StopRequest":
        self.previous = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)}
        self.listen()
        return self

    def __exit__(self, *error: object) -> None:
        self.restore()
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt

    def listen(self) -> None:
        for number in self.previous:
            signal.signal(number, self.note)

    def note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self.restore()
        if number == signal.SIGINT and self.runtime.is_main:
            os.write(2, b"\nstopping after this step; Ctrl-C again ends at once\n")

    def restore(self) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def agreed(self, step: int = 0) -> bool:
        """Whether to stop after this step; several processes decide together, on every tenth."""
        if self.runtime.world_size == 1:
            return self.signal is not None
        if step % 10:
            return False
        asked = torch.tensor(float(self.signal is not None), device=self.runtime.device)
        return bool(self.runtime.sum(asked) > 0)
