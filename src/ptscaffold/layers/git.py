"""Running git; no program that a repository names is run.

A repository that came as an archive may name programs in its configuration: hooks, monitors of
files. A clone cannot, and people's own settings count as ever.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["run_git"]

# Set while git runs a hook: it would work on that repository.
_OF_A_REPOSITORY: Final = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}
    | {"GIT_NAMESPACE", "GIT_PREFIX", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE"}
    | {"GIT_GRAFT_FILE", "GIT_CONFIG", "GIT_EXTERNAL_DIFF", "GIT_INTERNAL_SUPER_PREFIX"}
)


_HARMLESS: Final = ("core.hooksPath=/dev/null", "core.fsmonitor=", "core.quotePath=false")


def run_git(
    arguments: Sequence[str],
    folder: Path,
    settings: Sequence[str] = (),
    given: bytes = b"",
    **environment: str,
) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder, on the repository of that folder; OSError when there is no git."""
    options = [word for setting in (*_HARMLESS, *settings) for word in ("-c", setting)]
    inherited = {key: value for key, value in os.environ.items() if key not in _OF_A_REPOSITORY}
    ours = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(
        ["git", *options, *arguments],
        cwd=folder,
        env=inherited | ours | environment,
        input=given,
        capture_output=True,
        check=False,
    )
