"""The Trainer of transformers around a network: the loss, the optimizer, the metrics."""

import io
import logging
import os
import sys
from datetime import timedelta
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, default_collate
from transformers import EvalPrediction, PrinterCallback, ProgressCallback, Trainer

from .config import Config
from .data import collate
from .task import Task

os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # to look fixes no number of GPUs


class Network(nn.Module):
    """What a Trainer wants of a model: with labels a loss, and what the metrics compare."""

    def __init__(self, model: nn.Module, task: Task, freeze: bool = False) -> None:
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)
        self.task, self.freeze = task, freeze
        self.main_input_name = "inputs"  # for `include_for_metrics`
        self.register_state_dict_post_hook(untie)
        if freeze:
            model.requires_grad_(False)
            self.head.requires_grad_(True)

    @property
    def head(self) -> nn.Module:
        """What learns at the full rate: the head of a pretrained network, or all of a new one."""
        return getattr(self.model, "get_classifier", lambda: self.model)()

    def train(self, mode: bool = True) -> "Network":
        super().train(mode)
        if self.freeze:  # the running statistics of what is frozen stay too
            self.model.eval()
            self.head.train(mode)
        return self

    def forward(self, inputs: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        logits = self.model(inputs)
        if labels is None:
            return {"logits": logits}
        return {"loss": self.task.loss(logits, labels), "logits": logits}


def untie(_: nn.Module, state: dict[str, Tensor], *__: Any) -> None:
    """Copy what safetensors does not save: weights in two places, or in an order of their own."""
    seen = set[int]()
    for name, value in state.items():
        state[name] = value.clone() if value.data_ptr() in seen else value.contiguous()
        seen.add(value.data_ptr())


class Bar(ProgressCallback):
    def on_log(self, *_: Any, **__: Any) -> None:
        """Leave the line of an epoch to train.py."""


class ModelTrainer(Trainer):
    """A Trainer of any network and Dataset of pairs; all else is in its arguments."""

    model: Any
    optimizer: Any

    def __init__(self, model: Network | None = None, args: Any = None, **options: Any) -> None:
        made: dict[str, Any] = {"data_collator": as_dict, "compute_metrics": self.measure}
        made["preprocess_logits_for_metrics"] = (model or options["model_init"]()).task.scores
        super().__init__(model, args, **made | options)
        self.remove_callback(PrinterCallback)
        if self.pop_callback(ProgressCallback):
            self.add_callback(Bar)

    def measure(self, found: EvalPrediction) -> dict[str, float]:
        """Give the metrics, and keep the scores (N, C) and the targets of all examples."""
        self.found = torch.as_tensor(found.predictions), torch.as_tensor(found.label_ids)
        return {k: float(v) for k, v in self.model.task.metrics()(*self.found).items()}

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Leave out what is no whole batch, in training alone: a Trainer would in both."""
        examples: Any = self.train_dataset
        whole = self.args.train_batch_size * self.args.world_size
        self.args.dataloader_drop_last = whole < len(examples)
        loader = super().get_train_dataloader()
        self.args.dataloader_drop_last = False
        return loader

    def create_optimizer(self, model: nn.Module | None = None) -> Optimizer:
        """Decay matrices, not norms and biases; what is pretrained learns at a lower rate."""
        if self.optimizer is not None:  # one of your own
            return self.optimizer
        lr, new = self.args.learning_rate, set(self.model.head.parameters())
        below, decay = lr * getattr(self.model.model, "below_head", 0.1), self.args.weight_decay
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for p in self.model.parameters():
            key = (lr if p in new else below, decay if p.dim() > 1 else 0.0)
            groups.setdefault(key, []).append(p)
        options = [{"params": ps, "lr": r, "weight_decay": d} for (r, d), ps in groups.items()]
        ask = self.get_optimizer_cls_and_kwargs
        kind, given = self.optimizer_cls_and_kwargs or ask(self.args, self.model)
        self.optimizer = kind(options, **given)
        return self.optimizer


def named(found: dict[str, float], task: Task) -> dict[str, float]:
    """Give the loss and the metrics of a validation by their own names."""
    return {name: found[f"eval_{name}"] for name in ("loss", *task.metrics())}


def as_dict(examples: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Make a batch of examples by the names that `Network` takes."""
    batch: Any = collate  # of some domains None, as a DataLoader takes it
    return dict(zip(("inputs", "labels"), (batch or default_collate)(examples), strict=True))


def machine(config: Config) -> dict[str, Any]:
    """Choose device and precision for TrainingArguments, say them, and join the processes."""
    name, _, index = config.device.partition(":")
    number, precision = int(index or 0), config.precision
    alone = "LOCAL_RANK" not in os.environ and not torch.cuda.is_initialized()
    if name in ("auto", "cuda") and alone:  # a Trainer would take all
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(64)))).split(",")
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(seen[number : number + 1])
    found = torch.accelerator.current_accelerator(check_available=True)
    kind = found.type if found and name != "cpu" else "cpu"
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and kind == "mps":  # which talks to no other
        kind = name = "cpu"
    if name not in ("auto", kind):
        raise SystemExit(f"--device {config.device}: PyTorch finds no such device")
    if kind == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32 for what stays in fp32
        torch.backends.cudnn.benchmark = True
        if precision == "auto":
            bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
            precision = "bf16" if bf16 else "fp16"
    hushed = logging.getLogger("transformers.trainer_utils")  # of short epochs
    hushed.addFilter(lambda record: "mtime may not be reliable" not in record.getMessage())
    wait = timedelta(hours=2)  # for the first process, which may download
    state = PartialState(cpu=kind == "cpu", timeout=wait)
    if not state.is_main_process:
        sys.stdout = io.StringIO()  # the first process speaks
    why = ": PyTorch finds no GPU" if not found and name == "auto" else ""
    chosen = precision.replace("auto", "fp32")
    print(f"device {state.device}{why}; precision {chosen}, processes {state.num_processes}")
    options = {"use_cpu": kind == "cpu", "bf16": chosen == "bf16", "fp16": chosen == "fp16"}
    return options | {"disable_tqdm": not sys.stdout.isatty()}
