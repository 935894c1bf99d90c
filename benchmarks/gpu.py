"""How fast the generated projects train on a GPU, against a loop tuned by hand.

    python benchmarks/gpu.py [--rounds 3] [--results benchmarks/gpu.md]

Each project trains what keeps a GPU busy in place of its own small model (ResNet-50 on images and
on spectrograms, the layers of BERT base on texts), in bf16, with and without `--compile`, with all
that a run does by default. The loop written by hand, `hand_loop`, has the same model, the same data
set and as many loading processes, and nothing else. fastai reads and augments in its own way, so
its share is of another work. Every measurement is a process of its own; the loops take turns, in
reverse order every other round. A rate is that of ten steps within an epoch, the first epoch left
out, by events of the GPU. Exit code 1 when a target is missed. `--tiny` tries the script on a CPU.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from projects import make_project, measure_apart, watch_steps
from torch import Tensor, nn
from torch.utils.data import DataLoader
from turns import spread

DOMAINS, STYLES, HAND = ("vision", "text", "audio"), ("plain", "lightning", "fastai"), "by hand"
MODES = ("eager", "compiled")
TARGETS = {"plain": 0.95, "lightning": 0.95}
BATCH = {"vision": 128, "text": 32, "audio": 64}
FLAGS: dict[str, dict[str, Any]] = {
    "vision": {"image_size": 224},
    "text": {"max_length": 512},
    "audio": {"seconds": 5.0, "sample_rate": 16000},
}
STEPS, WORKERS, EXAMPLES = 50, 8, 512  # of an epoch; processes; examples on the disk


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, default=DOMAINS)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each loop (3)")
    parser.add_argument("--tiny", action="store_true", help="a small batch of few steps, on a CPU")
    parser.add_argument("--results", type=Path, help="also write the table to this file")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure, options.tiny)))
        return 0
    if not (options.tiny or torch.cuda.is_available()):
        raise SystemExit("PyTorch finds no GPU: run it where there is one, or with --tiny")
    with tempfile.TemporaryDirectory(prefix="ptscaffold-bench-") as folder:
        rows = [row for each in options.domains for row in compare(Path(folder), each, options)]
    report = "\n".join([*head(), *rows]) + "\n"
    sys.stdout.write(report)
    if options.results:
        options.results.write_text(report, encoding="utf-8", newline="\n")
    return 1 if "| missed |" in report else 0


def compare(folder: Path, domain: str, options: argparse.Namespace) -> list[str]:
    """Run all loops of a domain in turn; give their rows of the table."""
    sources = {style: make_project(folder, domain, style) for style in STYLES}
    sources[HAND] = sources["plain"]
    write_examples(folder, domain, sources[HAND], 64 if options.tiny else EXAMPLES)
    rows, tiny = [], ["--tiny"] if options.tiny else []
    for compiled in options.modes:
        found: dict[str, list[dict[str, float]]] = {loop: [] for loop in (HAND, *STYLES)}
        for number in range(options.rounds):
            for loop in list(found)[:: 1 if number % 2 else -1]:
                asked = [__file__, *tiny, "--measure", domain, loop, compiled]
                found[loop].append(measure_apart(asked, sources[loop], folder))
        for loop, each in found.items():
            pairs = zip(each, found[HAND], strict=True)
            shares = [ours["rate"] / theirs["rate"] for ours, theirs in pairs]
            target = TARGETS.get(loop)
            verdict = "" if not target else "met" if median(shares) >= target else "missed"
            cells = [
                f"{domain}, {compiled}",
                loop,
                f"{median(one['rate'] for one in each):,.0f}",
                "" if loop == HAND else spread(shares, 3),
                f"at least {target}" if target else "",
                verdict,
                f"{max(one['memory'] for one in each) / 1e9:.1f} GB",
            ]
            rows.append(f"| {' | '.join(cells)} |")
    return rows


def head() -> list[str]:
    names = ("torch", "torchvision", "lightning", "fastai")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    device, driver = "a CPU, --tiny", ""
    if torch.cuda.is_available():
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
        driver = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
        device = f"{torch.cuda.get_device_name()}, driver {driver}, CUDA {torch.version.cuda}"
    batches = ", ".join(f"{size} of {domain}" for domain, size in BATCH.items())
    return [
        "# Training on a GPU, against a loop tuned by hand",
        "",
        f"`{' '.join(['python benchmarks/gpu.py', *sys.argv[1:]])}` on {device}; {versions}; Python"
        f" {platform.python_version()}, {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} cores.",
        "",
        f"Batches of {batches}, in bf16, {WORKERS} loading processes. Examples per second of ten"
        " steps, and the share of the loop by hand of the same round, median [quartiles].",
        "",
        "| domain | loop | examples/s | share | target | | peak memory |",
        "|---|---|---|---|---|---|---|",
    ]


def write_examples(folder: Path, domain: str, source: Path, number: int) -> None:
    """Write images of 256 pixels, texts of 600 words, sounds of five seconds, in two classes."""
    import numpy as np
    import soundfile
    from PIL import Image

    random = np.random.default_rng(0)
    words = [f"{a}{b}{c}" for a in "bdfgklm" for b in "aeiou" for c in "nrst"]
    rows = ["text,label" if domain == "text" else "path,label"]
    for i in range(number):
        name = folder / "examples" / f"{i}"
        name.parent.mkdir(exist_ok=True)
        if domain == "vision":
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((256, 256)).save(f"{name}.jpg")
            rows.append(f"examples/{i}.jpg,{'ab'[i % 2]}")
        elif domain == "audio":
            soundfile.write(f"{name}.wav", 0.1 * random.standard_normal(5 * 16000), 16000)
            rows.append(f"examples/{i}.wav,{'ab'[i % 2]}")
        else:
            rows.append(f"{' '.join(random.choice(words, 600))},{'ab'[i % 2]}")
    (folder / f"{domain}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def measure(domain: str, loop: str, compiled: str, tiny: bool) -> dict[str, float]:
    """Train three epochs; give examples per second and the peak of memory in bytes."""
    package = f"{domain}_{'plain' if loop == HAND else loop}"
    batch, steps = (8, 12) if tiny else (BATCH[domain], STEPS)
    with tempfile.TemporaryDirectory() as run_dir:
        config = importlib.import_module(f"{package}.config").Config(
            data=Path(f"{domain}.csv"),
            device="cpu" if tiny else "cuda",
            precision="bf16",
            compile=compiled == "compiled",
            epochs=3,
            batch_size=batch,
            num_workers=2 if tiny else WORKERS,
            lr=1e-4,
            run_dir=Path(run_dir),
            **{"image_size": 32} if tiny and domain == "vision" else FLAGS[domain],
        )
        clock = Clock(not tiny)
        callbacks = watch_steps(loop, clock.note)
        enlarge(package, domain, batch * steps, tiny)
        if loop == HAND:
            hand_loop(package, config)
        else:
            importlib.import_module(f"{package}.train").train(config, *callbacks)
    times = clock.read()
    assert len(times) == 3 * steps, (len(times), steps)
    later = [i for i in range(steps, 3 * steps - 10, 10) if i % steps + 10 < steps]
    seconds = median(times[i + 10] - times[i] for i in later)
    memory = 0 if tiny else torch.cuda.max_memory_allocated()
    return {"rate": 10 * batch / seconds, "memory": memory}


class Clock:
    """Notes the end of each step of an optimizer, on a GPU when the GPU gets there."""

    def __init__(self, cuda: bool) -> None:
        self.cuda, self.ends = cuda, []

    def note(self) -> None:
        self.ends.append(torch.cuda.Event(enable_timing=True) if self.cuda else time.perf_counter())
        if self.cuda:
            self.ends[-1].record()

    def read(self) -> list[float]:
        """Give the ends in seconds since the first."""
        if not self.cuda:
            return self.ends
        torch.cuda.synchronize()
        return [self.ends[0].elapsed_time(end) / 1000 for end in self.ends]


def enlarge(package: str, domain: str, examples: int, tiny: bool) -> None:
    """Give a project another model, and a table with so many rows for training."""
    import pandas as pd

    def repeat(make_table: Callable[[Any], pd.DataFrame]) -> Callable[[Any], pd.DataFrame]:
        def wrapped(config: Any) -> pd.DataFrame:
            table = make_table(config)
            train, rest = table[table["split"] == "train"], table[table["split"] != "train"]
            many = pd.concat([train] * (examples // len(train) + 1))[:examples]
            return pd.concat([many, rest], ignore_index=True)

        return wrapped

    def make_model(spec: Any, num_outputs: int, weights: str | None = None) -> nn.Module:
        return MODELS[domain](package, spec, num_outputs, tiny)

    data, model = (importlib.import_module(f"{package}.{name}") for name in ("data", "model"))
    data.make_table, model.make_model = repeat(data.make_table), make_model


def resnet(package: str, spec: Any, num_outputs: int, tiny: bool) -> nn.Module:
    from torchvision.models import resnet18, resnet50

    return (resnet18 if tiny else resnet50)(num_classes=num_outputs)


def spectral_resnet(package: str, spec: Any, num_outputs: int, tiny: bool) -> nn.Module:
    features = importlib.import_module(f"{package}.features")
    net: Any = resnet(package, spec, num_outputs, tiny)
    net.conv1 = nn.Conv2d(1, 64, 7, 2, padding=3, bias=False)
    return nn.Sequential(features.LogMel(spec.sample_rate, mels=128), net)


class Bert(nn.Module):
    """The layers of BERT base (Devlin et al., 2019), over the tokens of a project."""

    def __init__(self, package: str, spec: Any, num_outputs: int, tiny: bool) -> None:
        super().__init__()
        model = importlib.import_module(f"{package}.model")
        dim, depth = (64, 1) if tiny else (768, 12)
        self.pad, vocab = model.PAD, model.load_tokenizer(spec.tokenizer).get_vocab()
        self.tokens, self.places = nn.Embedding(len(vocab) + 2, dim), nn.Embedding(512, dim)
        layer = nn.TransformerEncoderLayer(
            dim, dim // 64, 4 * dim, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(dim, num_outputs)

    def forward(self, input_ids: Tensor) -> Tensor:
        ids = input_ids.masked_fill(input_ids == self.pad, len(self.tokens.weight) - 1)
        x = self.tokens(ids) + self.places.weight[: ids.shape[1]]
        return self.head(self.layers(x).mean(dim=1))


MODELS: dict[str, Callable[[str, Any, int, bool], nn.Module]] = {
    "vision": resnet,
    "text": Bert,
    "audio": spectral_resnet,
}


def hand_loop(package: str, config: Any) -> None:
    """The yardstick: what one tunes by hand for one GPU, and nothing that a project adds."""
    names = ("data", "dataset", "model", "task")
    data, dataset, net, tasks = (importlib.import_module(f"{package}.{name}") for name in names)
    device = torch.device(config.device)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    table = data.make_table(config)
    spec, task = data.make_spec(config, table), tasks.Task.fit(config.task, table)
    train = dataset.Examples(table[table["split"] == "train"], task, spec, train=True)
    loader: DataLoader[Any] = DataLoader(
        train,
        config.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=config.num_workers,
        pin_memory=device.type == "cuda",
        persistent_workers=True,
        collate_fn=data.collate,
    )
    model = net.make_model(spec, len(task.names)).to(device, memory_format=torch.channels_last)
    if config.compile:
        model.compile()
    optimizer = torch.optim.AdamW(model.parameters(), config.lr, fused=True)
    steps = config.epochs * len(loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.lr, steps, cycle_momentum=False
    )
    for _ in range(config.epochs):
        for batch in loader:
            inputs, labels = (part.to(device, non_blocking=True) for part in batch)
            with torch.autocast(device.type, torch.bfloat16):
                loss = F.cross_entropy(model(inputs), labels, label_smoothing=0.1)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()


if __name__ == "__main__":
    sys.exit(main())
