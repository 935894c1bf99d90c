"""Facts about the machine and the environment, for `doctor.py`; None where one does not apply.

Torch is not imported here, because that may be what fails: a process of its own tries it.
"""

from __future__ import annotations  # a Python that is too old must get as far as to say so

import ast
import inspect
import json
import math
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

CGROUPS = Path("/sys/fs/cgroup")
PACKAGES = ("torch", "torchvision", "torchaudio")
RUNS = Path("runs")
IMPORT_LIMIT = 180.0  # seconds; a cold disk takes a minute
SMI_LIMIT = 20.0


@dataclass(frozen=True)
class Torch:
    """What torch says of itself; `gpus` are pairs of name and compute capability, `9.0`."""

    version: str
    cuda: str | None = None
    hip: str | None = None
    available: bool = False
    mps: bool = False
    gpus: tuple[tuple[str, str], ...] = ()
    archs: tuple[str, ...] = ()
    threads: int = 1
    warning: str | None = None


@dataclass(frozen=True)
class Driver:
    """What nvidia-smi says; `cuda` is the newest CUDA that the driver runs."""

    version: str | None = None
    cuda: str | None = None
    gpus: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Facts:
    """Sizes are bytes. `versions` are of the packages installed, `errors` of their imports."""

    python: str
    executable: str
    system: str
    folder: str
    runs: str
    torch_wanted: bool
    cores: int
    disk_free: int
    uv: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    torch: Torch | None = None
    driver: Driver | None = None
    cpu_quota: float | None = None
    memory: int | None = None
    shared_memory: int | None = None
    config: str | None = None
    num_workers: int | None = None
    omp_num_threads: str | None = None
    cuda_visible_devices: str | None = None

    @property
    def cpus(self) -> int:
        """Cores that a process gets: those it may run on, fewer where a container has a quota."""
        return self.cores if self.cpu_quota is None else min(self.cores, math.ceil(self.cpu_quota))


def collect(*, torch_wanted: bool = True) -> Facts:
    """Look at everything once: takes as long as the import of torch."""
    versions = find_versions()
    torch, errors = try_imports(versions) if versions else (None, {})
    config = next(iter(sorted(Path("src").glob("*/config.py"))), None)
    return Facts(
        python=platform.python_version(),
        executable=sys.executable,
        system=platform.system(),
        folder=str(Path.cwd()),
        runs=str(RUNS.absolute()),
        torch_wanted=torch_wanted,
        cores=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        disk_free=shutil.disk_usage(RUNS if RUNS.is_dir() else Path.cwd()).free,
        uv=shutil.which("uv"),
        versions=versions,
        errors=errors,
        missing=find_missing(config.parent.name) if config else (),
        torch=torch,
        driver=ask_driver(),
        cpu_quota=read_quota(),
        memory=measure_memory(),
        # Where loading processes hand batches over; Linux only
        shared_memory=shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else None,
        config=str(config) if config else None,
        num_workers=read_num_workers(config) if config else None,
        omp_num_threads=os.environ.get("OMP_NUM_THREADS"),
        cuda_visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )


def find_versions() -> dict[str, str]:
    """Find which packages are installed without importing them; torch comes first."""
    found = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError, KeyError):
            found[name] = metadata.version(name) or "of no version"
    return found


def find_missing(package: str) -> tuple[str, ...]:
    """Give the packages that the project, if it is installed, asks for in vain, without extras."""
    try:
        asked = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return ()
    names = [re.split(r"[^\w.-]", line)[0] for line in asked if ";" not in line]
    return tuple(name for name in names if not any(metadata.Distribution.discover(name=name)))


def probe(*names: str) -> None:
    """Import packages one by one and print a line of JSON for each, before the next may crash.

    Its source is what the other process runs, so that it uses nothing of this module.
    """
    import contextlib
    import importlib
    import json
    import sys
    import warnings

    def describe(torch: Any) -> dict[str, Any]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            available = torch.cuda.is_available()
        devices = range(torch.cuda.device_count() if available else 0)
        pairs = [(torch.cuda.get_device_capability(i), i) for i in devices]
        return {
            "version": str(torch.__version__),
            "cuda": torch.version.cuda,
            "hip": torch.version.hip,
            "available": available,
            "mps": torch.backends.mps.is_available(),
            "gpus": [(torch.cuda.get_device_name(i), f"{a}.{b}") for (a, b), i in pairs],
            "archs": torch.cuda.get_arch_list() if available else [],
            "threads": torch.get_num_threads(),
            "warning": str(caught[0].message) if caught else None,
        }

    for name in names:
        row: dict[str, Any] = {"package": name}
        try:
            with contextlib.redirect_stdout(sys.stderr):
                module = importlib.import_module(name)
                row["version"] = str(getattr(module, "__version__", ""))
                row["torch"] = describe(module) if name == "torch" else None
        except BaseException as error:
            place = getattr(sys.modules.get(name), "__file__", None)
            row["error"] = f"{type(error).__name__}: {error}" + (f" ({place})" if place else "")
        print(json.dumps(row), flush=True)


def try_imports(versions: dict[str, str]) -> tuple[Torch | None, dict[str, str]]:
    """Import packages in another process: what torch says, and what went wrong with each.

    Versions become those that the packages give themselves, which name the build: `2.9.1+cpu`.
    """
    names = tuple(versions)
    future = "from __future__ import annotations\n"
    source = f"{future}{inspect.getsource(probe)}\nprobe(*{names!r})\n"
    end, out, err = run([sys.executable, "-c", source], IMPORT_LIMIT)
    rows = [json.loads(line) for line in out.splitlines() if line.startswith('{"package"')]
    errors = {row["package"]: shorten(row["error"]) for row in rows if "error" in row}
    if len(rows) < len(names):
        errors[names[len(rows)]] = shorten("; ".join([end, *err.strip().splitlines()[-1:]]))
    versions.update({row["package"]: row["version"] for row in rows if row.get("version")})
    told = next((row["torch"] for row in rows if row.get("torch")), None)
    if told is None:
        return None, errors
    told |= {"gpus": tuple(map(tuple, told["gpus"])), "archs": tuple(told["archs"])}
    return Torch(**told), errors


def run(command: list[str], limit: float) -> tuple[str, str, str]:
    """Run a command; gives how it ended, nothing when all was well, and what it wrote."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit)
        code, out, err = done.returncode, done.stdout, done.stderr
        end = f"exit code {code}" if code else ""
        with suppress(ValueError):
            end = f"ended by {signal.Signals(-code).name}"
    except subprocess.TimeoutExpired as error:
        end, out, err = f"no answer in {limit:.0f} s", error.stdout or b"", error.stderr or b""
    except OSError as error:
        return f"{command[0]}: {error.strerror}", "", ""
    return end, out.decode(errors="replace"), err.decode(errors="replace")


def shorten(text: str) -> str:
    """Make one line of an error, of a length that can be read."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:300]}..."


def ask_driver() -> Driver | None:
    """Ask nvidia-smi for the driver and its GPUs; None when there is no such command."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    end, banner, err = run([program], SMI_LIMIT)
    if end:
        said = (err.strip() or banner.strip()).splitlines()[:1]
        return Driver(error=shorten("; ".join([end, *said])))
    # Since release 590 the banner tells the kernel's driver apart from the library of CUDA
    version = re.search(r"(?:Driver|KMD) Version:\s*([\d.]+)", banner)
    cuda = re.search(r"CUDA (?:UMD )?Version:\s*(\d+\.\d+)", banner)
    _, listed, _ = run([program, "-L"], SMI_LIMIT)
    gpus = tuple(re.findall(r"^GPU \d+: (.*?)(?: \(UUID.*)?$", listed, re.MULTILINE))
    return Driver(version[1] if version else None, cuda[1] if cuda else None, gpus)


def read_num_workers(config: Path) -> int | None:
    """Read the default of `num_workers`, without running a module that may import anything."""
    with suppress(OSError, ValueError, SyntaxError):
        for node in ast.walk(ast.parse(config.read_bytes())):
            if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "num_workers":
                value = ast.literal_eval(node.value) if node.value else None
                return value if type(value) is int else None
    return None


def read_limits(controller: str, name: str) -> list[str]:
    """Read a file of this process's control group and of those around it."""
    texts = []
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            top = CGROUPS / controller if controllers else CGROUPS
            group = top / path.lstrip("/")
            for folder in (group, *group.parents):
                if folder == top or top in folder.parents:
                    with suppress(OSError):
                        texts.append((folder / name).read_text(encoding="utf-8").strip())
    return texts


def read_quota() -> float | None:
    """CPUs that a container may use, which the number of cores does not tell; None for all."""
    first = read_limits("cpu", "cpu.cfs_quota_us"), read_limits("cpu", "cpu.cfs_period_us")
    texts = [*read_limits("cpu", "cpu.max"), *map("{} {}".format, *first)]
    pairs = [text.split() for text in texts]
    shares = [int(quota) / int(period) for quota, period in pairs if quota.isdigit()]
    return min(shares, default=None)


def measure_memory() -> int | None:
    if sys.platform == "win32":
        return None
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("memory.max", "memory.limit_in_bytes"):
        sizes += [int(text) for text in read_limits("memory", name) if text.isdigit()]
    return min(sizes)
