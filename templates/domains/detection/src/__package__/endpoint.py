"""What the server takes and answers: images, several at once, and the boxes on them."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, BinaryIO

import torch
from fastapi import UploadFile
from PIL import Image
from torch import Tensor

from .boxes import size_of
from .data import SUFFIXES, make_transform
from .model import Spec
from .task import SURE, Task

BODY = 32_000_000  # bytes of a request
PIXELS = 50_000_000  # of an image, however small its file
FORMATS = [Image.registered_extensions()[suffix] for suffix in SUFFIXES]


async def take(files: list[UploadFile], threshold: float = SURE) -> list[tuple[BinaryIO, float]]:
    return [(upload.file, threshold) for upload in files]


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
        self, item: tuple[BinaryIO, float], logits: Callable[[Tensor], Awaitable[Tensor]]
    ) -> dict[str, Any]:
        file, threshold = item
        try:
            inputs, size = await asyncio.to_thread(self.prepare, file)
        except Exception as error:  # of files from anywhere decoders raise anything
            return {"error": re.sub(r" <.*?>", "", str(error)) or repr(error)}
        scores = self.task.scores((await logits(inputs))[None])[0]
        found = self.task.decode(scores, threshold)
        for box in found["boxes"]:  # in pixels of the image, from its left upper corner
            box["bbox"] = [round(x * y, 2) for x, y in zip(box["bbox"], size * 2, strict=True)]
        return found
