"""What the server takes and answers: images, several at once, and their masks."""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any, BinaryIO

import torch
import torch.nn.functional as F
from fastapi import UploadFile
from PIL import Image
from torch import Tensor

from .data import SUFFIXES, make_transform
from .masks import size_of
from .model import Spec
from .task import Task

BODY = 32_000_000  # bytes of a request
PIXELS = 16_000_000  # of an image, however small its file
FORMATS = [Image.registered_extensions()[suffix] for suffix in SUFFIXES]


async def take(files: list[UploadFile]) -> list[BinaryIO]:
    return [upload.file for upload in files]


class Endpoint:
    stack = staticmethod(torch.stack)

    def __init__(self, task: Task, spec: Spec) -> None:
        self.task, self.transform = task, make_transform(spec)
        self.example = self.transform(Image.new("RGB", (99, 99)))
        self.inputs = {"image_size": spec.image_size}

    def prepare(self, file: BinaryIO) -> tuple[Tensor, tuple[int, int]]:
        """Decode an image and give its size, once its head has said that it is none too large."""
        width, height = Image.open(file, formats=FORMATS).size
        if width * height > PIXELS:
            raise ValueError(f"it has more than {PIXELS:,} pixels")
        return self.transform(file), size_of(file)

    async def predict(
        self, file: BinaryIO, logits: Callable[[Tensor], Awaitable[Tensor]]
    ) -> dict[str, Any]:
        try:
            inputs, size = await asyncio.to_thread(self.prepare, file)
        except Exception as error:  # of files from anywhere decoders raise anything
            return {"error": re.sub(r" <.*?>", "", str(error)) or repr(error)}
        return await asyncio.to_thread(self.find_mask, await logits(inputs), size)

    def find_mask(self, logits: Tensor, size: tuple[int, int]) -> dict[str, Any]:
        """Say what logits (C, H, W) mean, the mask as the data URL of a PNG of class numbers."""
        best, classes = torch.tensor(-torch.inf), torch.zeros(size[::-1], dtype=torch.uint8)
        for number, layer in enumerate(logits):  # one by one: all would be much of a large image
            layer = layer[None, None]
            large = F.interpolate(layer, size[::-1], mode="bilinear", antialias=True)[0, 0]
            classes[large > best] = number
            best = best.maximum(large)
        mask = Image.fromarray(classes.numpy())
        mask.putpalette([n * factor % 256 for n in range(256) for factor in (67, 131, 199)])
        mask.save(file := BytesIO(), "PNG")
        content = base64.b64encode(file.getvalue()).decode()
        return {"mask": f"data:image/png;base64,{content}", **self.task.decode(classes)}
