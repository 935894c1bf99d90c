"""The Accelerator: device, precision, processes."""

import io
import os
import sys
from datetime import timedelta
from typing import Any

import torch
from accelerate import Accelerator, DataLoaderConfiguration, InitProcessGroupKwargs

from .config import Config


def start(config: Config, **options: Any) -> Accelerator:
    """Choose device and precision, say them, and join the processes of the launcher."""
    found = torch.accelerator.current_accelerator(check_available=True)
    cpu, precision = config.device == "cpu" or not found, config.precision
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:  # MPS is one, and talks to no other
        cpu |= torch.backends.mps.is_available()
    if ":" in config.device:
        torch.accelerator.set_device_index(torch.device(config.device).index)
    if found and found.type == "cuda" and not cpu:
        torch.set_float32_matmul_precision("high")  # TF32 for what stays in fp32
        torch.backends.cudnn.benchmark = True
        if precision == "auto" and "ACCELERATE_MIXED_PRECISION" not in os.environ:
            bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
            precision = "bf16" if bf16 else "fp16"
    loaders = DataLoaderConfiguration(
        split_batches=True,  # --batch-size is that of all processes
        use_seedable_sampler=True,
        data_seed=config.seed,
        non_blocking=torch.cuda.is_available(),  # of MPS it may change what is read
    )
    wait = InitProcessGroupKwargs(timeout=timedelta(hours=2))  # for the first, which may download
    accelerator = Accelerator(
        cpu=cpu,
        mixed_precision={"auto": None, "fp32": "no"}.get(precision, precision),
        dataloader_config=loaders,
        kwargs_handlers=[wait],
        **options,
    )
    if not accelerator.is_main_process:
        sys.stdout = io.StringIO()  # the first process speaks
    why = ": PyTorch finds no GPU" if not found and config.device == "auto" else ""
    precision = accelerator.mixed_precision.replace("no", "fp32")
    number, kind = accelerator.num_processes, accelerator.distributed_type.value
    processes = f"processes {number}" + f" ({kind})" * (kind != "NO")
    print(f"device {accelerator.device}{why}; precision {precision}, {processes}")
    return accelerator
