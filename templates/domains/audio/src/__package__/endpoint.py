"""What the server takes and answers: sounds, several at once."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, BinaryIO

import numpy as np
import torch
from fastapi import UploadFile
from torch import Tensor

from .data import LONG, header, make_transform
from .model import Spec
from .predict import read_clips
from .task import Task

BODY = 32_000_000  # bytes of a request


async def take(files: list[UploadFile]) -> list[BinaryIO]:
    return [upload.file for upload in files]


class Endpoint:
    stack = staticmethod(torch.stack)

    def __init__(self, task: Task, spec: Spec) -> None:
        self.task, self.spec, self.transform = task, spec, make_transform(spec)
        self.example = self.transform(np.zeros(99, np.float32))
        self.inputs = {"seconds": spec.seconds, "sample_rate": spec.sample_rate}

    def prepare(self, file: BinaryIO) -> list[Tensor]:
        """Decode the clips of a sound, once its head has said that it is none too long."""
        if (header(file) or [0])[0] >= LONG:
            raise ValueError(f"it is longer than {LONG} seconds, or does not say how long it is")
        file.seek(0)
        clips = [self.transform(clip) for clip in read_clips(file, self.spec)]
        if not clips:
            raise ValueError("there is no sound in it")
        return clips

    async def predict(
        self, file: BinaryIO, logits: Callable[[Tensor], Awaitable[Tensor]]
    ) -> dict[str, Any]:
        try:
            clips = await asyncio.to_thread(self.prepare, file)
        except Exception as error:  # of files from anywhere decoders raise anything
            return {"error": re.sub(r" <.*?>", "", str(error)) or repr(error)}
        scores = self.task.scores(torch.stack(await asyncio.gather(*map(logits, clips))))
        return self.task.decode(scores.mean(dim=0))
