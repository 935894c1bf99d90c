"""The feature serve against FastAPI one by one and LitServe with batches, on one small text model.

    python benchmarks/serve.py --results benchmarks/serve.md

Every server has a process group of its own; 1, 8 and 32 clients ask over loopback, each over a
connection that it keeps, in an order that is shuffled every round, the other servers stopped.
CPU and memory are those of the whole group. Then a soak, a tenth of it broken, slow or cut, and a
SIGTERM under load. Without LitServe (`uv pip install --group serving`) its rows are missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from serve_peers import LITSERVE, ONE_BY_ONE

CLIENTS = (1, 8, 32)
WORDS = ("cold", "warm", "kind", "rude", "slow", "quick", "good", "bad")
TEXTS = [f"The soup was {a}, but the waiter was {b}." for a in WORDS for b in WORDS]
NEW = "ptscaffold new served --domain text --style plain --feature serve --no-input"
HEAD = "| clients | server | requests/s | lowest to highest | p50 / p95 ms | CPU ms each | MB |"
ROUNDS, SECONDS, REQUESTS = 5, 3, 10_000


class Server:
    """A server in a process group of its own."""

    def __init__(self, command: list[str], port: int, folder: Path) -> None:
        env = {**os.environ, "PYTHONPATH": "src", "OMP_NUM_THREADS": "1"}
        quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = [sys.executable, *command]
        self.process = subprocess.Popen(command, cwd=folder, env=env, process_group=0, **quiet)
        self.port = port

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def stats(self) -> tuple[float, float]:
        """Give the seconds of CPU and the megabytes of all its processes."""
        ticks = pages = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has ended
                fields = path.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.process.pid:
                    ticks += int(fields[11]) + int(fields[12])
                    pages += int(fields[21])
        return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Client:
    async def connect(self, port: int) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)

    async def send(self, content: bytes, until: int | None = None, pause: float = 0) -> None:
        """Send a request, or only the bytes `until` there, or the rest after a pause."""
        head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
        self.writer.write(request[:until])
        if pause:
            await asyncio.sleep(pause)
            self.writer.write(request[until:])

    async def answer(self) -> tuple[int, bytes]:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        return int(head[9:12]), await self.reader.readexactly(length)


def body(text: str) -> bytes:
    return json.dumps({"inputs": [text]}).encode()


async def load(port: int, clients: int, seconds: float) -> list[tuple[float, float]]:
    """Give when so many clients have asked, and milliseconds; infinite where nothing came."""
    found, until = [], time.perf_counter() + seconds

    async def ask(number: int) -> None:
        client, rng = Client(), random.Random(number)
        await client.connect(port)
        with suppress(OSError, EOFError):
            while (began := time.perf_counter()) < until:
                await client.send(body(rng.choice(TEXTS)))
                status, _ = await client.answer()
                assert status == 200, status
                found.append((began, 1000 * (time.perf_counter() - began)))
            client.writer.close()
            return
        found.append((began, math.inf))

    await asyncio.gather(*map(ask, range(clients)))
    return found


async def soak(server: Server) -> str:
    """Ask from 32 clients, a tenth of it broken, slow or cut, and say what came of it."""
    bad = {b"{": 422, b'{"inputs": [1]}': 422, body("x" * 60_000): 400, body("x" * 2_000_000): 413}
    counts = dict.fromkeys(("right", "slow and right", "refused", "cut", "wrong"), 0)
    expected, memory, left = {}, [], iter(range(REQUESTS))
    first = Client()
    await first.connect(server.port)
    for text in TEXTS:
        await first.send(body(text))
        expected[text] = json.loads((await first.answer())[1])["predictions"][0]

    async def ask(number: int) -> None:
        client, rng = Client(), random.Random(number)
        await client.connect(server.port)
        for done in left:
            text, kind = rng.choice(TEXTS), rng.random()
            if kind < 0.03:
                content, wanted = rng.choice(list(bad.items()))
                await client.send(content)
                result = "refused" if (await client.answer())[0] == wanted else "wrong"
            elif kind < 0.06:  # in the body, or before the answer
                await client.send(body(text), rng.choice([-9, None]))
                client.writer.close()
                await client.connect(server.port)
                result = "cut"
            else:
                slow = kind < 0.1
                await client.send(body(text), -9 if slow else None, rng.random() if slow else 0)
                status, content = await client.answer()
                found = json.loads(content).get("predictions", [{}])[0] if status == 200 else {}
                right = found.get("label") == expected[text]["label"]
                right = right and abs(found["score"] - expected[text]["score"]) < 1e-4
                result = ("slow and right" if slow else "right") if right else "wrong"
            counts[result] += 1
            if done in (REQUESTS // 5, REQUESTS - 1):
                memory.append(server.stats()[1])

    await asyncio.gather(*map(ask, range(32)))
    told = ", ".join(f"{count} {what}" for what, count in counts.items())
    change = memory[1] / memory[0] - 1
    return f"{told}; {memory[0]:.0f} MB after a fifth of it, {change:+.1%} at the end"


async def stop(server: Server) -> str:
    """End it by SIGTERM while 32 clients ask: what was sent before has to be answered."""
    asking = asyncio.create_task(load(server.port, 32, 60))
    await asyncio.sleep(2)
    server.process.send_signal(signal.SIGTERM)
    stopped = time.perf_counter()
    found = await asking
    lost = [began < stopped for began, ms in found if ms == math.inf]
    told = f"{len(found) - len(lost)} answered, {sum(lost)} lost of those sent before it"
    return f"{told}, {lost.count(False)} sent later and refused; exit code {server.process.wait(9)}"


def start(stack: ExitStack, folder: Path) -> dict[str, Server]:
    (folder / "lit.py").write_text(LITSERVE)
    commands = {"serve": ["-m", "served.serve", "--port", "8710"]}
    commands["FastAPI, in its event loop"] = ["-c", ONE_BY_ONE]
    in_threads = ONE_BY_ONE.replace("async def", "def").replace("8711", "8712")
    commands |= {"FastAPI, in its threads": ["-c", in_threads], "LitServe, by 16": ["lit.py"]}
    if not find_spec("litserve"):
        commands.popitem()
    servers = {n: Server(c, 8710 + i, folder) for i, (n, c) in enumerate(commands.items())}
    for server in servers.values():
        stack.callback(server.signal, signal.SIGKILL)
        until = time.monotonic() + 120
        while server.process.poll() is None and time.monotonic() < until:
            with suppress(OSError):
                asyncio.run(load(server.port, 1, 1))
                break
            time.sleep(0.2)
        server.signal(signal.SIGSTOP)
    return servers


def compare(servers: dict[str, Server]) -> list[str]:
    """Give a row a server and number of clients: medians over the rounds, and their spread."""
    all_of: dict[tuple[int, str], list[tuple[float, ...]]] = {}
    pairs = [(clients, name) for clients in CLIENTS for name in servers]
    for _ in range(ROUNDS):
        for clients, name in random.sample(pairs, len(pairs)):
            server = servers[name]
            server.signal(signal.SIGCONT)
            asyncio.run(load(server.port, clients, 0.5))
            (cpu, _), began = server.stats(), time.perf_counter()
            found = asyncio.run(load(server.port, clients, SECONDS))
            times = sorted(ms for _, ms in found)
            rate, (after, memory) = len(times) / (time.perf_counter() - began), server.stats()
            tail, each = times[len(times) * 95 // 100], 1000 * (after - cpu) / len(times)
            all_of.setdefault((clients, name), []).append((rate, median(times), tail, each, memory))
            server.signal(signal.SIGSTOP)
    rows = []
    for clients, name in pairs:
        columns = list(zip(*all_of[clients, name], strict=True))
        rate, p50, p95, cpu, memory = map(median, columns)
        spread = f"{min(columns[0]):.0f} to {max(columns[0]):.0f}"
        figures = f"{rate:.0f} | {spread} | {p50:.1f} / {p95:.1f} | {cpu:.2f} | {memory:.0f}"
        rows.append(f"| {clients} | {name} | {figures} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    random.seed(0)
    names = ["torch", "fastapi", "uvicorn", *["litserve"] * bool(find_spec("litserve"))]
    with tempfile.TemporaryDirectory(prefix="ptscaffold-serve-") as name, ExitStack() as stack:
        subprocess.run(NEW.split(), cwd=name, check=True, capture_output=True)
        folder, env = Path(name, "served"), {**os.environ, "PYTHONPATH": "src"}
        train = [sys.executable, "-m", "served.train", "--num-workers", "0"]
        subprocess.run(train, cwd=folder, env=env, check=True, capture_output=True)
        servers = start(stack, folder)
        rows = compare(servers)
        servers["serve"].signal(signal.SIGCONT)
        soaked, stopped = (asyncio.run(f(servers["serve"])) for f in (soak, stop))
    told = ", ".join(f"{name} {version(name)}" for name in names)
    text = f"""# Serving, against FastAPI one by one and LitServe

`python benchmarks/serve.py`: {told}; {os.cpu_count()} cores, clients and servers on both.

The model of a new text project, one thread each; {ROUNDS} shuffled rounds of {SECONDS} s, medians.

{HEAD}
|---|---|---|---|---|---|---|
{chr(10).join(rows)}

* A soak of {REQUESTS} requests from 32 clients: {soaked}.
* SIGTERM while 32 clients ask: {stopped}.
"""
    print(text)
    if options.results:
        options.results.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
