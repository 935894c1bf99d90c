"""Say what is set up wrong on this machine or in this environment, and how to mend it.

Run in the folder of a project by the Python that trains: `python -m checkup.doctor`. The text goes
to stderr, the same as one JSON object to stdout. Exit code 0: no problems found; 3: some.
"""

from __future__ import annotations  # a Python that is too old must get as far as to say so

import io
import json
import re
import shlex
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from subprocess import list2cmdline

from .facts import Facts, collect

MANY_CPUS = 4  # from here on one thread, or one loading process for a GPU, is a waste
LEAST_ROOM = 1e9  # bytes on the disk, and in shared memory, of which containers have 64 MB


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, the reason or the consequence, and the command that mends it."""

    id: str
    what: str
    why: str
    fix: str


def check_python(facts: Facts) -> Finding | None:
    if numbers(facts.python) >= (3, 11):
        return None
    what, why = f"Python {facts.python} is too old", "3.11 is the oldest that will do"
    return Finding("python", what, why, f"{uv(facts)} sync --python 3.12")


def check_uv(facts: Facts) -> Finding | None:
    if facts.uv is not None or "torch" in facts.versions:
        return None
    why = "it makes the environment; with pip instead: .venv/bin/python -m pip install -e ."
    return Finding("uv", "uv is not on the path", why, "python -m pip install uv")


def check_torch(facts: Facts) -> Finding | None:
    if facts.torch_wanted and "torch" not in facts.versions:
        why = f"{facts.executable} does not find it"
        fix = f"{uv(facts)} {'sync' if facts.config else f'pip install{where(facts)} torch'}"
        return Finding("torch-missing", "torch is not installed", why, fix)
    if "torch" not in facts.errors:
        return None
    what = f"torch {facts.versions['torch']} is installed and does not work"
    why, own = facts.errors["torch"], str(Path(facts.folder, "torch"))
    fix = f"rename {own}, which hides the real one" if f"({own}" in why else reinstall(facts)
    return Finding("torch-import", what, why, fix)


def check_missing(facts: Facts) -> Finding | None:
    names = ", ".join(name for name in facts.missing if name != "torch")
    if not names:
        return None
    what = f"{names} {'are' if ', ' in names else 'is'} not installed"
    fix = f"{uv(facts)} pip install{where(facts)} --editable ."
    return Finding("packages-missing", what, "the project cannot be used without", fix)


def check_build(name: str, facts: Facts) -> Finding | None:
    """Find a package whose compiled part belongs to another torch."""
    version = facts.versions.get(name)
    if facts.torch is None or version is None:
        return None
    builds = facts.torch.version.partition("+")[2], version.partition("+")[2]
    if name in facts.errors:
        why = facts.errors[name]
    elif all(builds) and builds[0] != builds[1]:
        why = "one is built for another device or another CUDA than the other"
    else:
        return None
    what = f"{name} {version} does not go with torch {facts.torch.version}"
    # No file of the project imports torchaudio, and its last release goes with few builds
    fix = f"{uv(facts)} pip uninstall{where(facts)} {name}"
    return Finding(f"{name}-build", what, why, fix if name == "torchaudio" else reinstall(facts))


def check_driver(facts: Facts) -> Finding | None:
    driver = facts.driver
    if driver is None or driver.error is None or has_gpu(facts):
        return None
    fix = "sudo reboot; if it still fails, install the NVIDIA driver again"
    return Finding("driver", "nvidia-smi finds no working driver", driver.error, fix)


def check_hidden(facts: Facts) -> Finding | None:
    value, driver = facts.cuda_visible_devices, facts.driver
    if value is None or driver is None or not driver.gpus:
        return None
    first = value.split(",")[0].strip()  # what follows an unknown one is not looked at
    if first.startswith(("GPU-", "MIG-")) or first in map(str, range(len(driver.gpus))):
        return None
    what = f"CUDA_VISIBLE_DEVICES={value} hides the GPU ({', '.join(driver.gpus)})"
    why, fix = "torch sees only what it names", assign(facts, "CUDA_VISIBLE_DEVICES")
    return Finding("gpu-hidden", what, why, fix)


def check_gpu(facts: Facts) -> Finding | None:
    """Find out why torch does not use an NVIDIA GPU that is there and not hidden."""
    driver, torch = facts.driver, facts.torch
    if driver is None or not driver.gpus or torch is None or torch.available:
        return None
    gpu = f"torch {torch.version} cannot use the GPU ({', '.join(driver.gpus)})"
    if torch.cuda is None:
        return Finding("cpu-build", gpu, "it is built without CUDA", reinstall(facts))
    # Within one major version of CUDA an older driver will do
    if driver.cuda is not None and numbers(driver.cuda)[0] < numbers(torch.cuda)[0]:
        why = f"it is built for CUDA {torch.cuda}, driver {driver.version} runs {driver.cuda}"
        return Finding("driver-age", gpu, why, f"{reinstall(facts)}; or update the driver")
    if check_hidden(facts):
        return None
    why = torch.warning or f"it is built for CUDA {torch.cuda} and gives no reason"
    return Finding("gpu-unusable", gpu, why, "sudo reboot; then update the NVIDIA driver")


def check_arch(facts: Facts) -> Finding | None:
    torch = facts.torch
    if torch is None or torch.hip is not None or not torch.archs:
        return None
    for name, capability in torch.gpus:
        if not any(runs_on(arch, numbers(capability)) for arch in torch.archs):
            new = numbers(capability) > max(version_of(arch) for arch in torch.archs)
            what = f"{name} is too {'new' if new else 'old'} for torch {torch.version}"
            why = f"it has compute capability {capability}, torch has {' '.join(torch.archs)}"
            return Finding("gpu-arch", what, why, reinstall(facts, "auto" if new else "cu126"))
    return None


def check_workers(facts: Facts) -> Finding | None:
    number, cores = workers(facts), count(facts.cpus, "core")
    edit = f"set num_workers = -1 in {facts.config}"
    if number > facts.cpus:
        what = f"{number} loading processes are too many for {cores}"
        return Finding("workers-many", what, "they wait for each other", edit)
    if facts.num_workers in (0, 1) and has_gpu(facts) and facts.cpus >= MANY_CPUS:
        what = f"num_workers = {number} leaves most of {cores} without work"
        return Finding("workers-few", what, "the GPU waits for its data", edit)
    return None


def check_threads(facts: Facts) -> Finding | None:
    text = facts.omp_num_threads or ""
    threads = facts.torch.threads if facts.torch else int(text) if text.isdigit() else None
    if threads == 1 and facts.cpus >= MANY_CPUS and not has_gpu(facts):
        why = f"there are {facts.cpus} cores; a run takes several times as long"
        fix = assign(facts, "OMP_NUM_THREADS", "" if text else str(facts.cpus))
        return Finding("threads-few", "torch computes with one thread", why, fix)
    if threads is not None and threads > facts.cpus:
        what = f"{threads} threads are too many for {count(facts.cpus, 'core')}"
        fix = assign(facts, "OMP_NUM_THREADS", str(facts.cpus))
        return Finding("threads-many", what, "they wait for each other", fix)
    return None


def check_shared_memory(facts: Facts) -> Finding | None:
    size = facts.shared_memory
    if size is None or size >= LEAST_ROOM or not workers(facts):
        return None
    what = f"{readable(size)} free in /dev/shm are too little for loading processes"
    why = "they hand batches over there: a run ends with a bus error"
    fix = "sudo mount -o remount,size=8G /dev/shm; in Docker: docker run --ipc=host"
    return Finding("shared-memory", what, why, fix)


def check_disk(facts: Facts) -> Finding | None:
    if facts.disk_free >= LEAST_ROOM:
        return None
    what = f"the disk is almost full: {readable(facts.disk_free)} free for {facts.runs}"
    fix = "delete old runs, or train with --run-dir on another disk"
    return Finding("disk", what, "every epoch writes checkpoints there", fix)


CHECKS = (
    *(check_python, check_uv, check_torch, check_missing),
    *(partial(check_build, "torchvision"), partial(check_build, "torchaudio")),
    *(check_driver, check_hidden, check_gpu, check_arch),
    *(check_workers, check_threads, check_shared_memory, check_disk),
)


def diagnose(facts: Facts) -> list[Finding]:
    return [finding for check in CHECKS if (finding := check(facts)) is not None]


def describe(facts: Facts) -> list[str]:
    """Say in a few lines what was found."""
    torch, driver = facts.torch, facts.driver
    gpus = [f"{name} (compute capability {number})" for name, number in torch.gpus] if torch else []
    gpus += driver.gpus if driver and not gpus else []
    gpus += ["MPS"] if torch and torch.mps else []
    sizes = {"memory": facts.memory, "/dev/shm": facts.shared_memory, "disk": facts.disk_free}
    return [
        f"Python {facts.python} ({facts.executable}), uv {facts.uv or 'not found'}",
        ", ".join(f"{name} {version}" for name, version in facts.versions.items()) or "no torch",
        f"{', '.join(gpus) or 'no GPU'}, {count(facts.cpus, 'core')}",
        ", ".join(f"{name} {readable(size)}" for name, size in sizes.items() if size is not None),
    ]


def numbers(version: str) -> tuple[int, ...]:
    """Give the first two numbers of a version: (3, 11) for `3.11.7`."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def version_of(arch: str) -> tuple[int, ...]:
    """Give the compute capability that code was made for: (9, 0) for `sm_90a`."""
    return numbers(re.sub(r"(\d)\D*$", r".\1", arch))


def runs_on(arch: str, capability: tuple[int, ...]) -> bool:
    """Whether code runs on a GPU: `sm_80` on those of its generation, `compute_80` on all later."""
    made_for = version_of(arch)
    return (arch.startswith("compute") or made_for[0] == capability[0]) and made_for <= capability


def has_gpu(facts: Facts) -> bool:
    return facts.torch is not None and (facts.torch.available or facts.torch.mps)


def workers(facts: Facts) -> int:
    """How many loading processes a run on many examples has, as the projects choose them."""
    return min(8, facts.cpus) if facts.num_workers in (None, -1) else facts.num_workers


def reinstall(facts: Facts, backend: str = "auto") -> str:
    """Install all packages anew from one index, and keep `uv run` from undoing that."""
    names = [name for name in facts.versions if name not in facts.errors or name != "torchaudio"]
    options = f"{where(facts)} --torch-backend {backend} --reinstall {' '.join(names)}"
    return f"{uv(facts)} pip install{options} && {assign(facts, 'UV_NO_SYNC', '1')}"


def uv(facts: Facts) -> str:
    python = quoted(facts)
    return "uv" if facts.uv else f"{python} -m pip install uv && {python} -m uv"


def where(facts: Facts) -> str:
    return f" --python {quoted(facts)}"  # whichever environment is active


def quoted(facts: Facts) -> str:
    windows = facts.system == "Windows"
    return list2cmdline([facts.executable]) if windows else shlex.quote(facts.executable)


def assign(facts: Facts, name: str, value: str = "") -> str:
    if facts.system == "Windows":
        return f"set {name}={value}"
    return f"export {name}={value}" if value else f"unset {name}"


def count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def readable(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name the terminal cannot show
    try:
        facts = collect(torch_wanted="--torch-optional" not in sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
    findings = diagnose(facts)
    lines = describe(facts)
    lines += [f"{f.id}: {f.what}\n  why: {f.why}\n  fix: {f.fix}" for f in findings]
    lines.append(f"{count(len(findings), 'problem') if findings else 'no problems'} found")
    print("\n".join(lines), file=sys.stderr)
    print(json.dumps({"facts": asdict(facts), "findings": [*map(asdict, findings)]}))
    sys.exit(3 if findings else 0)


if __name__ == "__main__":
    main()
