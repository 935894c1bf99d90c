"""Checkpoints: what they hold, and what of it fits the data and the model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from . import storage
from .config import TASK, Config
from .flags import UserError, from_dict, to_dict
from .loaders import Datasets
from .model import make_model


class CheckpointError(UserError):
    """The file is no checkpoint of this project."""


class Trained(NamedTuple):
    model: nn.Module
    config: Config
    classes: list[str]
    state: dict[str, Any]


def describe(model: nn.Module, config: Config, datasets: Datasets) -> dict[str, Any]:
    """Give what every checkpoint holds: all that is needed to predict."""
    return {
        "task": TASK,
        "model": model.state_dict(),
        "config": to_dict(config),
        "classes": datasets.classes,
        "state": datasets.state,
        "examples": count(datasets),
    }


def count(datasets: Datasets) -> int:
    train: Any = datasets.train
    return len(train)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU; raises `CheckpointError` if it is not one of this project."""
    try:
        content = storage.read(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist. Train first, or look in runs/.") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except Exception as error:  # bytes that are no checkpoint lead the reader to any error
        raise CheckpointError(f"{path} is no checkpoint, or is cut short.") from error
    if not isinstance(content, dict) or "task" not in content:
        raise CheckpointError(f"{path} was not written by this project.")
    if content["task"] != TASK:
        raise CheckpointError(f"{path} is for {content['task']}; this project does {TASK}.")
    return content


def restore(
    path: Path, model: nn.Module, config: Config, datasets: Datasets, key: str = "best"
) -> dict[str, Any]:
    """Load the weights into a model that goes on training, and return the checkpoint.

    Raises `CheckpointError` when the data has other classes, another number of examples or another
    `state`, when the seed or, inside an epoch, the batches are others, or when it lacks the `key`,
    by which the checkpoints of this training loop are known.
    """
    content = load(path)
    if key not in content:
        raise CheckpointError(
            f"{path} was written by a training loop of another kind: only predict and evaluate"
            " take it. Start a new run, without --resume."
        )
    if content["classes"] != datasets.classes:
        raise CheckpointError(
            f"{path} was trained on the classes {', '.join(content['classes'][:20])}; the data has"
            f" {', '.join(datasets.classes[:20])}. Resume with the same data, or start a new run."
        )
    before = from_dict(content["config"])
    if before.seed != config.seed:  # what it has trained on might now be validated on
        raise CheckpointError(f"{path} was trained with --seed {before.seed}: resume with that.")
    if content["examples"] != count(datasets):
        raise CheckpointError(
            f"{path} was trained on {content['examples']} examples, and the data has changed since"
            f" ({count(datasets)} now). Resume with the same data, or start a new run."
        )
    if content["state"] != datasets.state:
        raise CheckpointError(
            f"{path} was fitted to other examples, or with other flags for the data. Resume with"
            " the same data and flags, or start a new run."
        )
    parts = before.batch_size, before.accumulate
    if content.get("batch") and parts != (config.batch_size, config.accumulate):
        raise CheckpointError(
            f"{path} stopped inside an epoch: resume with --batch-size {before.batch_size}"
            f" --accumulate {before.accumulate}."
        )
    load_weights(model, content, path)
    return content


def load_model(path: Path, device: torch.device) -> Trained:
    """Rebuild the model of a checkpoint, in evaluation mode, with what it was trained on."""
    content = load(path)
    config = from_dict(content["config"])
    model = make_model(config, len(content["classes"]))
    load_weights(model, content, path)
    return Trained(model.to(device).eval(), config, content["classes"], content["state"])


def load_weights(model: nn.Module, content: Mapping[str, Any], path: Path) -> None:
    try:
        model.load_state_dict(content["model"])
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise CheckpointError(f"{path} holds another model than model.py makes: {first}") from error
