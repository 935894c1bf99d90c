"""Rendering in memory: layers and answers in, a tree of files out. Nothing is written.

`*.jinja` files are rendered and lose the suffix, every other file is copied byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any, Final

from ptscaffold.errors import LayerError
from ptscaffold.layers.content import Content, Tree
from ptscaffold.layers.files import SUFFIX, lay, read_folder
from ptscaffold.layers.manifest import MANIFEST, Layer
from ptscaffold.render.answers import Answers

if TYPE_CHECKING:
    from jinja2 import Template

LONGEST_TEMPLATE: Final = 100_000  # bytes; ours have 12,000

# Most templates are tests, which import the package and hold no other tag: to compile them takes
# 5% of `new`.
_PACKAGE = re.compile(r"(?<!\{)\{\{ package \}\}(?!\})")
_NEEDS_JINJA = re.compile(r"\{[{%#]|\r")

# Characters that start or end something inside a line: code, emphasis, links, HTML, entities, the
# end of a heading. A star or underscore between spaces, or an underscore inside a word, does not.
_MARKUP = re.compile(
    r"""\\(?=[!-/:-@\[-`{-~]|$) | [`\[\]] | (?<!\s)\* | \*(?!\s)
    | (?<![^\W_])_(?!\s) | (?<!\s)_(?![^\W_]) | ~(?=~) | (?<=~)~
    | <(?=[A-Za-z/!?]) | &(?=\#?\w+;) | (?<=\s)\#(?=\#*$)""",
    re.VERBOSE,
)
_BLOCK_START = re.compile(r"^(?:[#>]|[-+*](?=\s|$)|[-=](?=[-=\s]*$)|[-*_](?=[-*_\s]*$)|~(?=~~))")
_LIST_NUMBER = re.compile(r"^(\d+)([.)])(?=\s|$)")


class Renderer:
    """Renders projects; files read and templates compiled for one are kept for the next.

    `symbols` stand in for answers, and for the package, that are not known yet; `filters` replace
    those of the templates.
    """

    def __init__(
        self,
        symbols: Mapping[str, str] = MappingProxyType({}),
        filters: Mapping[str, Callable[..., str]] = MappingProxyType({}),
    ) -> None:
        self._symbols = symbols
        # Imported here, since a project can be shown without Jinja.
        from ptscaffold.render.sandbox import Sandbox

        self._environment = Sandbox({"toml": toml_value, "md": markdown_text, **filters})
        self._templates: dict[tuple[str, str], Template] = {}
        self._sources: dict[Path, dict[str, Content]] = {}

    def render(self, answers: Answers, layers: Sequence[Layer], tool_version: str) -> Tree:
        """The files of a project, sorted by path; LayerError when a layer is broken."""
        self._environment.refill()
        context = self._context(answers, layers, tool_version)
        package = str(self._symbols.get("package", answers.package))
        laid = lay([(layer, self._read(layer)) for layer in layers], package)
        tree = {}
        for path, (layer, source, content) in sorted(laid.items()):
            data = content.data
            if source.endswith(SUFFIX):
                data = self._text(f"{layer.path}/{source}", data, context).encode()
            tree[path] = Content(data, content.mode, layer.path)
        return tree

    def next_steps(
        self, answers: Answers, layers: Sequence[Layer], tool_version: str
    ) -> tuple[str, ...]:
        """The lines that the layers add to the end of `new`."""
        self._environment.refill()
        rendered = self._context(answers, layers, tool_version)["layers"]
        steps = tuple(step for layer in rendered for step in layer.next_steps)
        if not all(step.replace("\n", "").replace("\t", "").isprintable() for step in steps):
            raise LayerError("next-steps of a layer hold what cannot be shown")
        return steps

    def _context(
        self, answers: Answers, layers: Sequence[Layer], tool_version: str
    ) -> dict[str, Any]:
        plain = {
            **answers.as_dict(),
            "package": answers.package,
            "tool_version": tool_version,
            "dependencies": _merge(layer.dependencies for layer in layers),
            "dev_dependencies": _merge(layer.dev_dependencies for layer in layers),
            **self._symbols,
        }
        context = {**plain, **_named(layers)}
        return {**plain, **_named([self._render_manifest(layer, context) for layer in layers])}

    def _render_manifest(self, layer: Layer, context: Mapping[str, Any]) -> Layer:
        """The layer with its README slots and next steps rendered."""
        label = f"{layer.path}/{MANIFEST}"
        return replace(
            layer,
            readme={
                key: self._text(f"{label} [readme] {key}", text, context)
                for key, text in layer.readme.items()
            },
            next_steps=tuple(
                self._text(f"{label} next-steps", step, context) for step in layer.next_steps
            ),
        )

    def _read(self, layer: Layer) -> dict[str, Content]:
        if layer.folder not in self._sources:
            found = read_folder(layer.folder, layer.path)
            found.pop(MANIFEST, None)
            self._sources[layer.folder] = found
        return self._sources[layer.folder]

    def _text(self, label: str, source: str | bytes, context: Mapping[str, Any]) -> str:
        """Render one template; LayerError names it and the line that failed."""
        try:
            if len(source) > LONGEST_TEMPLATE:
                raise ValueError(f"a template is longer than {LONGEST_TEMPLATE // 1000} kB")
            text = source if isinstance(source, str) else source.decode("utf-8")
            if not _NEEDS_JINJA.search(_PACKAGE.sub(" ", text)):
                return _PACKAGE.sub(lambda _: str(context["package"]), text)
            return self._compile(label, text).render(context)
        except UnicodeDecodeError as error:
            raise LayerError(f"{label} is not UTF-8 text") from error
        except RecursionError as error:
            line = _line_in(label, error.__traceback__)
            raise LayerError(f"{label}:{line}: it is nested too deeply, or calls itself") from error
        except Exception as error:  # whatever a template raises is the template's fault
            line = getattr(error, "lineno", None) or _line_in(label, error.__traceback__)
            reason = getattr(error, "message", None) or error
            raise LayerError(f"{label}:{line}: {reason}") from error

    def _compile(self, label: str, text: str) -> Template:
        key = (label, text)
        if key not in self._templates:
            code = self._environment.compile(text, name=label, filename=label)
            self._templates[key] = self._environment.template_class.from_code(
                self._environment, code, self._environment.make_globals(None)
            )
        return self._templates[key]


def _named(layers: Sequence[Layer]) -> dict[str, Any]:
    """Layers as templates see them: without their folder, which has methods that read and write."""
    shown = []
    for layer in layers:
        manifest = {key: value for key, value in vars(layer).items() if key != "folder"}
        shown.append(SimpleNamespace(**manifest, name=layer.name))
    kinds = {layer.path.partition("/")[0]: layer for layer in shown}
    return {"layers": shown, "domain_layer": kinds["domains"], "style_layer": kinds["styles"]}


def _merge(requirements: Iterable[Iterable[str]]) -> list[str]:
    return sorted({item for group in requirements for item in group}, key=str.lower)


def _line_in(label: str, traceback: TracebackType | None) -> int:
    """The last line of the template `label` that a traceback went through, 1 when it did not."""
    line = 1
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == label:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def toml_value(value: Any) -> str:
    """Write text, a list of text, a number or a truth value as TOML.

    >>> print(toml_value(['say "hi"', "C:\\\\new"]))
    ["say \\"hi\\"", "C:\\\\new"]
    """
    if not isinstance(value, str | bool | int | float | list | tuple):
        str(value)  # of what is undefined the error that has its name
        raise TypeError(f"cannot write {type(value).__name__} as TOML")
    # JSON writes all of these alike, but for the one character that TOML does not take.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def markdown_text(value: str) -> str:
    """Write text as one line of Markdown, prose or heading, that shows every character as it is.

    Only what Markdown would take for its own is escaped: `2 * 3` and `{{ x }}` stay readable.
    """
    line = " ".join(value.split())
    line = _MARKUP.sub(r"\\\g<0>", line)
    line = _BLOCK_START.sub(r"\\\g<0>", line)
    return _LIST_NUMBER.sub(r"\1\\\2", line)
