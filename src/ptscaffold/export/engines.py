"""`new --engine`: the same project, rendered by cookiecutter or copier from an export."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ptscaffold.errors import LayerError, UsageError
from ptscaffold.export.formats import Engine, check_engine
from ptscaffold.export.template import export
from ptscaffold.layers.content import EXECUTABLE, REGULAR
from ptscaffold.layers.files import read_folder
from ptscaffold.render.renderer import File, Renderer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ptscaffold.layers.manifest import Layer
    from ptscaffold.render.answers import Answers
    from ptscaffold.render.renderer import Tree

__all__ = ["EngineRenderer", "renderer_of", "write_tree"]


def renderer_of(name: str | None) -> Renderer:
    """What renders projects: ptscaffold itself, or the engine of that name."""
    return Renderer() if name is None else EngineRenderer(check_engine(name))


class EngineRenderer(Renderer):
    """Renders projects through another engine; UsageError when that is not installed."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine

    def render(self, answers: Answers, layers: Sequence[Layer], tool_version: str) -> Tree:
        run = _load(self._engine)
        made = export(answers, layers, [self._engine])
        owners = {
            path: file.layer for path, file in super().render(answers, layers, tool_version).items()
        }
        with TemporaryDirectory(prefix="ptscaffold-") as folder:
            template, out = Path(folder, "template"), Path(folder, "out")
            write_tree(template, made.files)
            out.mkdir()
            asked = {key: answers.as_dict()[key] for key in made.asks}
            try:
                run(template, out, asked)
            except Exception as error:  # whatever it raises, it could not take what was exported
                raise LayerError(f"{self._engine} failed: {error}") from error
            found = read_folder(out / answers.name, self._engine)
        return {s.path: File(s.data, s.mode, owners.get(s.path, "")) for s in found}


def write_tree(folder: Path, files: Tree) -> None:
    """Write files into a folder that is the caller's own."""
    for path, file in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.data)
        place.chmod(EXECUTABLE if file.mode & stat.S_IXUSR else REGULAR)


def _load(engine: Engine) -> Callable[[Path, Path, Mapping[str, str]], None]:
    try:
        return _cookiecutter() if engine == "cookiecutter" else _copier()
    except ImportError as error:
        raise UsageError(
            f"{engine} is not installed", hint="pip install 'ptscaffold[engines]'"
        ) from error


def _cookiecutter() -> Callable[[Path, Path, Mapping[str, str]], None]:
    from cookiecutter.main import cookiecutter

    def run(template: Path, out: Path, answers: Mapping[str, str]) -> None:
        # A configuration of its own: nothing of the person's has a say, nothing is kept for them.
        own = {"cookiecutters_dir": str(out.parent), "replay_dir": str(out.parent / "replay")}
        settings = out.parent / "settings.yaml"
        settings.write_text(json.dumps(own), encoding="utf-8")
        cookiecutter(
            str(template),
            no_input=True,
            extra_context=dict(answers),
            output_dir=str(out),
            config_file=str(settings),
            accept_hooks=False,
        )

    return run


def _copier() -> Callable[[Path, Path, Mapping[str, str]], None]:
    from copier import run_copy

    def run(template: Path, out: Path, answers: Mapping[str, str]) -> None:
        data: dict[str, Any] = dict(answers)
        place = out / answers["name"]
        run_copy(str(template), place, data, defaults=True, quiet=True, unsafe=False)
        (place / ".copier-answers.yml").unlink()

    return run
