"""What the system lets this process have; None where there is no such limit."""

from __future__ import annotations  # a Python that is too old must get as far as to say so

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


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


def measure_shared_memory() -> int | None:
    """Free bytes of what loading processes hand batches over in; Linux only."""
    with suppress(OSError):
        return shutil.disk_usage("/dev/shm").free
    return None


def read_open_files() -> int | None:
    """How many files a process may have open; Linux only, where each shared tensor is one."""
    if sys.platform != "linux":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
