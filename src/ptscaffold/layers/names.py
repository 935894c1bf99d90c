"""What a project may be called: its folder, its distribution, its Python package, its files."""

from __future__ import annotations

import keyword
import re
import sys
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from pathlib import PurePath
from typing import Final

from ptscaffold.errors import shell_command

LONGEST = 40  # the import lines of a project stay within its 100 columns

# Folders that a project has or makes: a package of that name would be git-ignored or shadowed.
FOLDERS = frozenset({"build", "conftest", "data", "dist", "docs", "runs", "src", "test", "tests"})

WINDOWS_DEVICES = frozenset(
    {"aux", "con", "nul", "prn"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in range(10)}
)

# What decides which programs git runs.
_GIT: Final = frozenset({".git", "git~1"})
_ILLEGAL: Final = re.compile(r'[<>:"|?*\\\x00-\x1f]')

# Import names of the training stack and of what it brings along: a project of that name hides them.
IMPORTS = frozenset(
    """
    absl accelerate aiohttp alembic anyio attr attrs blis bs4 captum catalogue certifi click
    confection contourpy cv2 cycler datasets dateutil diffusers dill docstring_parser einops
    evaluate fastai fastapi fastcore fastdownload fastprogress filelock fsspec functorch google
    grpc httpx huggingface_hub idna ignite iniconfig ipykernel ipython jinja2 joblib
    jsonargparse keras kiwisolver kornia librosa lightning lightning_fabric lightning_utilities
    litserve markdown markupsafe matplotlib mlflow mpl_toolkits mpmath multipart multiprocess
    mypy nbclient nbformat networkx nltk numpy nvidia onnx onnxruntime optuna optuna_integration
    packaging pandas pathspec peft pil pip plotly pluggy plum pre_commit prometheus_client
    protobuf psutil ptscaffold py pyarrow pydantic pygments pylab pyparsing pytest pytorch
    pytorch_lightning ray regex requests rich ruff safetensors scikit_learn scipy sentencepiece
    setuptools sklearn smart_open soundfile soxr spacy sqlalchemy starlette sympy tensorboard
    tensorboardx tensorflow thinc timm tokenizers torch torchaudio torchdata torchgen
    torchmetrics torchtext torchvision torchx tqdm transformers triton typeguard typer
    typing_extensions tyro tzdata urllib3 uv uvicorn wandb wasabi weasel werkzeug wheel xxhash
    yaml yarl
    """.split()  # noqa: SIM905 (a hundred quoted words read worse)
)


def package_name(name: str) -> str:
    """The import name of a project: `My-Project.v2` gives `my_project_v2`."""
    return re.sub(r"[-_.]+", "_", name).lower()


def normalize(requirement: str) -> str:
    """The import name a requirement most likely has: `scikit-learn>=1.5` gives `scikit_learn`."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return package_name(found[0]) if found else ""


def check_name(name: str, imports: Collection[str] | None = ()) -> str | None:
    """Say in one sentence why `name` cannot be a project, or None when it can.

    `imports` holds further import names to keep clear of, those of the chosen layers' dependencies;
    it is None for a project that has its name already, whoever has taken that since.
    """
    taken = () if imports is None else {*IMPORTS, *imports}
    reason = _malformed(name) or (None if imports is None else _clash(name, taken))
    if reason is None:
        return None
    shown = name if len(name) <= LONGEST else f"{name[:24]}..."
    return f"{shown!r} cannot be a project name: {reason}. Try {suggest(name, taken)!r}"


def suggest(name: str, imports: Collection[str] = ()) -> str:
    """The nearest name that `check_name` accepts."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    parts = re.findall(r"[A-Za-z0-9]+", plain)
    slug = "-".join(parts)[: LONGEST - len("my-")].rstrip("-") or "project"
    taken = {*IMPORTS, *imports}
    if not slug[0].isalpha() or _clash(slug, taken):
        slug = f"my-{slug}"
    while _clash(slug, taken):
        slug = f"{slug[: LONGEST - 1]}x"
    return slug


def split_path(given: str, *, typed: bool = False) -> tuple[PurePath, str | None]:
    """Split NAME into the path of the project and, where it is not one, the reason.

    The path may lead downwards (`work/digits`), or be an absolute one when a person `typed` it as
    the name; what leads elsewhere belongs to `--into`.
    """
    path = PurePath(given)
    advice = f"Use {shell_command(['--into', given])} or cd there first"
    if not (typed and path.is_absolute()) and (path.drive or path.root):
        return path, f"{given!r} is an absolute path, not a name. {advice}"
    if ".." in path.parts:
        return path, f"{given!r} leads out of this folder. {advice}"
    if not path.name:
        return path, f"{given!r} is a folder, not a name. Use --into ."
    return path, None


@lru_cache(maxsize=10_000)
def refused(part: str) -> str | None:
    """Why no file of a project can have this name, up to the name."""
    if folded(part) in _GIT:
        return "a layer must not hold a folder of git,"
    device = part.split(".")[0].rstrip(" ").lower()
    if _ILLEGAL.search(part) or part[-1] in ". " or device in WINDOWS_DEVICES:
        return "Windows cannot hold a file named"
    return None


@lru_cache(maxsize=10_000)
def folded(path: str) -> str:
    """A path as systems see it that make no difference between spellings."""
    return unicodedata.normalize("NFC", path.casefold())


def leads_astray(path: str) -> bool:
    """Whether a path is none of a file in a project: it leads out, to git, or to a device.

    Some systems leave characters that cannot be seen out of a name: `.g\u200cit` is `.git` to them.
    """
    return not all(part and part.isprintable() and not refused(part) for part in path.split("/"))


def _malformed(name: str) -> str | None:
    if not name:
        return "it is empty"
    if len(name) > LONGEST:
        return f"it has {len(name)} characters, {LONGEST} are allowed"
    if not name.isascii():
        return "only ASCII letters, digits, '-', '_' and '.' are allowed"
    if any(character.isspace() for character in name):
        return "it holds a space"
    if not name[0].isalpha():
        return f"a Python package cannot start with {name[0]!r}"
    strange = re.search(r"[^A-Za-z0-9._-]", name)
    if strange:
        return f"{strange[0]!r} is not allowed, only letters, digits, '-', '_' and '.'"
    if not name[-1].isalnum():
        return f"it ends with {name[-1]!r}"
    return None


def _clash(name: str, imports: Collection[str]) -> str | None:
    package = package_name(name)
    if keyword.iskeyword(package) or package in ("true", "false", "none"):
        return f"{package!r} is a Python keyword"
    if package in sys.stdlib_module_names:
        return f"the package would hide Python's own module {package!r}"
    if package in FOLDERS:
        return f"{package!r} is a folder of every project or of its tools"
    if name.split(".")[0].lower() in WINDOWS_DEVICES:
        return f"Windows reserves {name.split('.')[0]!r}"
    if package in imports:
        return f"the package would hide the installed library {package!r}"
    return None
