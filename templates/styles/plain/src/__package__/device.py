"""Where to compute: device, precision, processes."""

import atexit
import io
import os
import sys
from datetime import timedelta

import torch
import torch.distributed as dist

from .config import Config

RANK, WORLD_SIZE = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def start(config: Config) -> tuple[torch.device, torch.dtype]:
    """Choose device and precision, say them, and join the processes of torchrun."""
    found = torch.accelerator.current_accelerator(check_available=True)
    device = torch.device(config.device if config.device != "auto" else found or "cpu")
    if WORLD_SIZE > 1 and device.type == "mps":  # which is one, and talks to no other
        device = torch.device("cpu")
    precision = config.precision
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", device.index or 0)))
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")  # TF32 for what stays in fp32
        torch.backends.cudnn.benchmark = True
        if precision == "auto":
            bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
            precision = "bf16" if bf16 else "fp16"
    precision = "fp32" if precision == "auto" else precision
    if WORLD_SIZE > 1:
        gpu = device if device.type == "cuda" else None
        wait = timedelta(hours=2)  # for the first process, which may download
        dist.init_process_group("nccl" if gpu else "gloo", timeout=wait, device_id=gpu)
        atexit.register(leave_processes)
    if RANK > 0:
        sys.stdout = io.StringIO()  # the first process speaks
    why = ": PyTorch finds no GPU" if device.type == "cpu" and config.device == "auto" else ""
    print(f"device {device}{why}; precision {precision}, processes {WORLD_SIZE}")
    return device, DTYPES[precision]


def leave_processes() -> None:
    if not hasattr(sys, "last_value"):  # after an error NCCL would wait for what the others do
        dist.destroy_process_group()


def agreed(flag: bool, device: torch.device) -> bool:
    """Whether it is true in any process."""
    if WORLD_SIZE == 1:
        return flag
    votes = torch.tensor(float(flag), device=device)
    dist.all_reduce(votes)
    return bool(votes > 0)
