"""What the server takes and answers: texts, several at once."""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, Field
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from .data import make_transform
from .model import PAD, Spec
from .task import Task

BODY = 1_000_000  # bytes of a request
MOST = 1000  # inputs of a request: who comes next waits for them
CHARACTERS = 50_000  # of a text


class Texts(BaseModel):
    inputs: list[str] = Field(max_length=MOST)


async def take(texts: Texts) -> list[str]:
    return texts.inputs


class Endpoint:
    example = "warm up"

    def __init__(self, task: Task, spec: Spec) -> None:
        self.task, self.transform = task, make_transform(spec)
        self.inputs = {"max_length": spec.max_length}

    def stack(self, texts: list[str]) -> Tensor:
        ids = [self.transform(text) for text in texts]
        return pad_sequence(ids, batch_first=True, padding_value=PAD)

    async def predict(
        self, text: str, logits: Callable[[str], Awaitable[Tensor]]
    ) -> dict[str, Any]:
        try:
            text.encode()  # half of a character is none
        except ValueError as error:
            return {"error": str(error)}
        if len(text) > CHARACTERS:
            return {"error": f"it has more than {CHARACTERS:,} characters"}
        return self.task.decode(self.task.scores((await logits(text))[None])[0])
