"""What the server takes and answers: rows, several at once."""

from collections.abc import Awaitable, Callable
from typing import Any

import torch
from pydantic import BaseModel, Field
from torch import Tensor

from .data import make_transform, unknown
from .model import Spec
from .task import Task

BODY = 1_000_000  # bytes of a request
MOST = 5000  # inputs of a request: who comes next waits for them


class Rows(BaseModel):
    inputs: list[dict[str, Any]] = Field(max_length=MOST)


async def take(rows: Rows) -> list[dict[str, Any]]:
    return rows.inputs


class Endpoint:
    stack = staticmethod(torch.stack)

    def __init__(self, task: Task, spec: Spec) -> None:
        self.task, self.spec, self.transform = task, spec, make_transform(spec)
        self.example = self.transform({})
        self.inputs = {**{name: list[str]() for name in spec.numbers}, **spec.categories}

    async def predict(
        self, row: dict[str, Any], logits: Callable[[Tensor], Awaitable[Tensor]]
    ) -> dict[str, Any]:
        if not self.inputs.keys() & row.keys():
            return {"error": f"it has none of the columns {', '.join(self.inputs)}"}
        inputs = self.transform(row)
        found = self.task.decode(self.task.scores((await logits(inputs))[None])[0])
        strange = unknown(row, inputs, self.spec)
        return {**found, "unknown": strange} if strange else found
