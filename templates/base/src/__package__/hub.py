"""Pretrained networks: fetching them, and what is their head."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn


@contextmanager
def fetching(flag: str, name: str) -> Iterator[None]:
    """Say in one line, and at once, what cannot be had; trying the hub takes half a minute."""
    try:
        from huggingface_hub import constants

        try:
            if not Path(name).is_dir():
                urllib.request.urlopen(constants.ENDPOINT, timeout=5).close()
        except OSError:
            constants.HF_HUB_OFFLINE = True  # what was downloaded before is still there
        yield
    except ImportError as error:
        extra = "hub" if flag == "--dataset" else "pretrained"
        raise SystemExit(f"{flag} {name}: {error}: uv sync --extra {extra}") from None
    except Exception as error:  # of the network, of the file, of a network of another kind
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise SystemExit(f"{flag} {name}: {reason[0]}") from None


def split(model: Any) -> list[list[nn.Parameter]]:
    """Part the parameters into those that were pretrained and those of the new head."""
    for module in model.modules():
        if hasattr(module, "get_classifier"):  # timm
            head = {*module.get_classifier().parameters()}
            break
        if hasattr(module, "base_model"):  # transformers
            head = {*module.parameters()} - {*module.base_model.parameters()}
            break
    else:
        return [[], list(model.parameters())]
    below = [p for p in model.parameters() if p not in head]
    return [below, [p for p in model.parameters() if p in head]]
