"""Serve a trained model: predictions in batches, a page to try it, metrics."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Annotated, Any

import torch
import tyro
import uvicorn
from fastapi import Depends, FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from torch import Tensor

from .endpoint import BODY, Endpoint, take
from .evaluate import load_model
from .model import Spec
from .task import Task

REQUESTS = Counter("requests", "Answers to requests for predictions", ["status"])
LATENCY = Histogram("request_seconds", "From the head of a request to its answer")
WAITING = Gauge("requests_waiting", "Requests without an answer yet")
BATCHES = Histogram("batch_size", "Inputs that were one batch", buckets=[1, 2, 4, 8, 16, 32, 64])


@dataclass(frozen=True)
class Options:
    checkpoint: Path | None = None  # default: the best of the newest run
    model: Path | None = None  # or a model.onnx that export has written
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    host: str = "127.0.0.1"  # for this machine alone; 0.0.0.0 for others
    port: int = int(os.environ.get("PORT", 8000))
    max_batch: int = 16
    queue: int = 256  # requests at a time; more of them are sent away
    timeout: float = 30.0  # seconds from the head of a request to its answer


class Gate:
    """Refuse what is too much before its body is read, and end what takes too long."""

    def __init__(self, app: ASGIApp, queue: int, timeout: float) -> None:
        self.app, self.queue, self.timeout, self.waiting = app, queue, timeout, 0
        WAITING.set_function(lambda: self.waiting)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("POST", "/predict"):
            await self.app(scope, receive, send)
            return

        status = 500

        async def note(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        app, length = self.app, Headers(scope=scope).get("content-length", "")
        if not length.isdigit() or int(length) > BODY:
            app = JSONResponse({"detail": f"its length is not given, or over {BODY:,} bytes"}, 413)
        elif self.waiting >= self.queue:
            app = JSONResponse({"detail": "too many requests wait"}, 503, {"Retry-After": "1"})
        self.waiting += 1
        try:
            with LATENCY.time():
                async with asyncio.timeout(self.timeout):
                    await app(scope, receive, note)
        except TimeoutError:
            app = JSONResponse({"detail": f"not done in {self.timeout:g} s"}, 504)
            await app(scope, receive, note)
        finally:
            REQUESTS.labels(status).inc()
            self.waiting -= 1


class Batches:
    """Run the model in a thread of its own; what comes in the meantime is the next batch."""

    def __init__(self, run: Callable[[list[Any]], Tensor], most: int) -> None:
        self.run, self.most = run, most
        self.queue: SimpleQueue[tuple[Any, Future[Tensor]]] = SimpleQueue()
        Thread(target=self.work, daemon=True).start()

    async def logits(self, item: Any) -> Tensor:
        """Wait for the logits (C, ...) of one item."""
        future: Future[Tensor] = Future()
        self.queue.put((item, future))
        return await asyncio.wrap_future(future)

    @torch.inference_mode()
    def work(self) -> None:
        while True:
            jobs = [self.queue.get()]
            while len(jobs) < self.most and not self.queue.empty():
                jobs.append(self.queue.get())
            jobs = [job for job in jobs if job[1].set_running_or_notify_cancel()]  # not timed out
            BATCHES.observe(len(jobs))
            try:
                found = list(zip(jobs, self.run([item for item, _ in jobs]), strict=True))
                for (_, future), logits in found:
                    future.set_result(logits)
            except Exception as error:  # every one of them hears of it, and the next batch runs
                for _, future in jobs:
                    future.set_exception(error)


def load(options: Options) -> tuple[Callable[[Tensor], Tensor], Task, Spec]:
    """Give what turns inputs into logits, with the task and the spec that it was trained for."""
    if options.model is None:
        model, task, spec = load_model(options.checkpoint, options.device)
        return lambda inputs: model(inputs.to(options.device)).cpu(), task, spec
    from onnxruntime import InferenceSession

    try:
        session = InferenceSession(options.model, providers=["CPUExecutionProvider"])
        about = json.loads(session.get_modelmeta().custom_metadata_map["about"])
        task, spec = Task(**about["task"]), Spec(**about["spec"])
    except Exception as error:  # onnxruntime has errors of its own
        raise SystemExit(f"{options.model} is no file that export has written: {error}") from None
    return lambda x: torch.from_numpy(session.run(["logits"], {"inputs": x.numpy()})[0]), task, spec


def make_app(options: Options) -> FastAPI:
    run, task, spec = load(options)
    endpoint = Endpoint(task, spec)
    batches = Batches(lambda items: run(endpoint.stack(items)), options.max_batch)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for size in (1, options.max_batch):  # the first calls are slow
            await asyncio.gather(*[batches.logits(endpoint.example) for _ in range(size)])
        yield

    app = FastAPI(title=__package__, lifespan=lifespan)
    app.add_middleware(Gate, queue=options.queue, timeout=options.timeout)

    @app.post("/predict")
    async def predict(
        items: Annotated[list[Any], Depends(take)], response: Response
    ) -> dict[str, list[dict[str, Any]]]:
        """Give of each input what predict prints, or {"error": reason}."""
        found = await asyncio.gather(*(endpoint.predict(item, batches.logits) for item in items))
        if found and all("error" in prediction for prediction in found):
            response.status_code = 400
        return {"predictions": found}

    @app.get("/metadata")
    async def metadata() -> dict[str, Any]:
        """Tell what is predicted, and what of an input counts."""
        return {"task": task.kind, "names": task.names, "inputs": endpoint.inputs}

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}  # nothing listens before the model is warm

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    app.mount("/", StaticFiles(directory=Path(__file__).with_name("page"), html=True))
    return app


def main(options: Options) -> None:
    """Serve until SIGTERM or Ctrl-C; what was accepted by then is answered."""
    app = make_app(options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # which uvicorn raises when it is done
    uvicorn.run(app, host=options.host, port=options.port, access_log=False, ws="none")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
