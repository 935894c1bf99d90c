"""What the server takes and answers: images, several at once."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, BinaryIO

import torch
from fastapi import UploadFile
from PIL import Image
from torch import Tensor

from .data import SUFFIXES, make_transform
from .model import Spec
from .task import Task

BODY = 32_000_000  # bytes of a request
PIXELS = 50_000_000  # of an image, however small its file
FORMATS = [Image.registered_extensions()[suffix] for suffix in SUFFIXES]


async def take(files: list[UploadFile]) -> list[BinaryIO]:
    return [upload.file for upload in files]


class Endpoint:
    stack = staticmethod(torch.stack)

    def __init__(self, task: Task, spec: Spec) -> None:
        self.task, self.transform = task, make_transform(spec)
        self.example = self.transform(Image.new("RGB", (99, 99)))
        self.inputs = {"image_size": spec.image_size}

    def prepare(self, file: BinaryIO) -> Tensor:
        """Decode an image, once its head has said that it is none too large."""
        width, height = Image.open(file, formats=FORMATS).size
        if width * height > PIXELS:
            raise ValueError(f"it has more than {PIXELS:,} pixels")
        return self.transform(file)

    async def predict(
        self, file: BinaryIO, logits: Callable[[Tensor], Awaitable[Tensor]]
    ) -> dict[str, Any]:
        try:
            inputs = await asyncio.to_thread(self.prepare, file)
        except Exception as error:  # of files from anywhere decoders raise anything
            return {"error": re.sub(r" <.*?>", "", str(error)) or repr(error)}
        return self.task.decode(self.task.scores((await logits(inputs))[None])[0])
