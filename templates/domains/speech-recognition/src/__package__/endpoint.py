"""What the server takes and answers: sounds, several at once, and what is said in them."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, BinaryIO

import numpy as np
import torch
from fastapi import UploadFile
from torch import Tensor

from .data import decode, length, make_transform
from .model import Spec
from .predict import parts
from .task import Task

BODY = 32_000_000  # bytes of a request
LONG = 600  # seconds of a sound


async def take(files: list[UploadFile]) -> list[BinaryIO]:
    return [upload.file for upload in files]


class Endpoint:
    stack = staticmethod(torch.stack)

    def __init__(self, task: Task, spec: Spec) -> None:
        self.task, self.spec, self.transform = task, spec, make_transform(spec)
        self.example = self.transform(np.zeros(99, np.float32))
        self.inputs = {"seconds": spec.seconds, "sample_rate": spec.sample_rate}
        self.write(torch.zeros(1, len(task.names), 9))  # learns how texts are, which takes a while

    def prepare(self, file: BinaryIO) -> list[Tensor]:
        """Decode the parts of a sound, once its head has said that it is none too long."""
        if length(file) >= LONG:
            raise ValueError(f"it is longer than {LONG} seconds, or does not say how long it is")
        file.seek(0)
        sound = decode(file, self.spec.sample_rate)
        return [self.transform(part) for part in parts(sound, self.spec)]

    def write(self, logits: Tensor) -> dict[str, Any]:
        """Say what logits (parts, C, T) mean."""
        texts = [self.task.decode(letters)["text"] for letters in self.task.scores(logits)]
        return {"text": " ".join(filter(None, texts))}

    async def predict(
        self, file: BinaryIO, logits: Callable[[Tensor], Awaitable[Tensor]]
    ) -> dict[str, Any]:
        try:
            parts = await asyncio.to_thread(self.prepare, file)
        except Exception as error:  # of files from anywhere decoders raise anything
            return {"error": re.sub(r" <.*?>", "", str(error)) or repr(error)}
        heard = torch.stack(await asyncio.gather(*map(logits, parts)))
        return await asyncio.to_thread(self.write, heard)
