"""What the server takes and answers: texts, several at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, Field
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from .data import make_transform
from .model import PAD, Spec
from .predict import spans_of
from .task import Task
from .words import cut, split

BODY = 1_000_000  # bytes of a request
MOST = 1000  # inputs of a request: who comes next waits for them
CHARACTERS = 50_000  # of a text


class Texts(BaseModel):
    inputs: list[str] = Field(max_length=MOST)


async def take(texts: Texts) -> list[str]:
    return texts.inputs


class Endpoint:
    def __init__(self, task: Task, spec: Spec) -> None:
        self.task, self.transform = task, make_transform(spec)
        self.example = self.transform("warm up")
        self.inputs = {"characters": CHARACTERS}

    def stack(self, parts: list[Tensor]) -> Tensor:
        return pad_sequence(parts, batch_first=True, padding_value=PAD)

    def prepare(self, words: list[str]) -> list[Tensor]:
        """Encode a text in parts that are short enough."""
        parts = cut(words, [""] * len(words))
        return [self.transform(" ".join(part)) for part, _ in parts if part]

    async def predict(
        self, text: str, logits: Callable[[Tensor], Awaitable[Tensor]]
    ) -> dict[str, Any]:
        try:
            text.encode()  # half of a character is none
        except ValueError as error:
            return {"error": str(error)}
        if len(text) > CHARACTERS:
            return {"error": f"it has more than {CHARACTERS:,} characters"}
        words, tags = split(text), list[str]()
        texts = [word for word, _ in words]
        parts = await asyncio.to_thread(self.prepare, texts)
        for found in await asyncio.gather(*map(logits, parts)):
            tags += self.task.decode(self.task.scores(found[None])[0])["tags"]
        if self.task.spans:
            return {"spans": spans_of(text, words, tags)}
        return {"words": texts, "tags": tags}
