"""A small template with everything in it that engines are known to change."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.content import Tree
from ptscaffold.layers.manifest import Layer
from ptscaffold.render.answers import Answers, complete, select_layers
from ptscaffold.render.given import Given

BRACES: Final = b"{{ x }} {% if %} {# c #} ${{ github.ref }} {{{{ {%- -%} {{"

FILES: Final[Mapping[str, bytes]] = {
    "base/layer.toml": b"""label = "Base"
help = "all"
[answers]
owner = "somebody"
""",
    "base/README.md.jinja": b"""# {{ name }}

{{ description | md }} by {{ owner | md }} {{ '{' }}{{ package }}}
{{ '{{' }} ${{ '{{' }} x }} {{ '{' }}
""",
    "base/pyproject.toml.jinja": b"""name = {{ name | toml }}
description = {{ description | toml }}
label = {{ ("a " ~ owner) | toml }}
packages = {{ ["src/" ~ package, "x"] | toml }}
""",
    "base/src/__package__/data.py": b'f"{{x}}" "{%d}" # {# no comment',
    "base/tests/test_data.py.jinja": b"from {{ package }}.data import x",
    "base/.hidden/.dot": b"dot\n",
    "base/run.sh": b"#!/bin/sh\necho {{ name }}\n",
    "base/rendered.sh.jinja": b"#!/bin/sh\necho {{ name }}\n",
    "base/windows.txt": b"{{ a }}\r\nb\r\n",
    "base/mixed.txt": b"a\rb\r\nc\n",
    "base/latin.txt": b"{{ caf\xe9 }}\n",
    "base/utf16.txt": "{{ ü }}".encode("utf-16"),
    "base/zero.txt": b"{{ a }}\0{% b",
    "base/mark.txt": b"\xef\xbb\xbf{{ a }}",
    "base/image.png": bytes([137, 80, 78, 71, 13, 10, 26, 10, 0, 255]) + BRACES,
    "base/magic.txt": b"BM " + BRACES,
    "base/paper.pdf": BRACES,
    "base/icons.txt": "\ue000 {{ \ue001".encode(),
    "base/empty.txt": b"",
    "base/no-newline.txt": b"{{ a }}",
    "base/newlines.txt": b"\n\n\n",
    "base/chinese.md.jinja": b"# {{ name }}\n\n{% raw %}"
    + "深度学习".encode() * 200
    + b"{% endraw %}\n",
    "base/a[1]{{b}}!.txt": BRACES,
    "base/__pycache__/x.pyc": b"no",
    "domains/toy/layer.toml": b'label = "Toy"\nhelp = "toys"\n',
    "domains/toy/toy.txt": b"toy\n",
    "styles/plain/layer.toml": b'label = "Plain"\nhelp = "plain"\n',
    "styles/plain/plain.txt": b"plain\n",
    "features/extra/layer.toml": b'label = "Extra"\nhelp = "more"\n',
    "features/extra/.github/ci.yml.jinja": b"on: {{ package }} {% raw %}${{ x }}{% endraw %}\n",
}
EXECUTABLE: Final = ("base/run.sh", "base/rendered.sh.jinja")

# Markdown, TOML, Jinja and characters that have to come out as they went in.
HOSTILE: Final = (
    "- {{ 1 }} {% x %} \"q\" 's' \\ *a* a_b _c_ `d` [e] <f> &amp; ~~g~~ ${{ h }} 😀 ü # "
)
# As odd as what an export takes.
ODD: Final = "Äll: 50% (or $5), it's - say - 'yes'! 😀 1. = + ^ | ; 深度 / x?"


def write_toy(root: Path, changes: Mapping[str, bytes] | None = None) -> Catalogue:
    for path, data in {**FILES, **(changes or {})}.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        place.chmod(0o755 if path in EXECUTABLE else 0o644)
    return Catalogue(root)


def choose(
    catalogue: Catalogue, domain: str, style: str, *features: str, **more: str
) -> tuple[Answers, tuple[Layer, ...]]:
    given = Given({"domain": domain, "style": style, "features": features, **more})
    answers = complete(given, catalogue)
    return answers, select_layers(answers, catalogue)


def contents(tree: Tree) -> dict[str, tuple[bytes, bool]]:
    """Bytes of every file, and whether it can be executed."""
    return {path: (file.data, bool(file.mode & stat.S_IXUSR)) for path, file in tree.items()}


def read(folder: Path) -> dict[str, tuple[bytes, bool]]:
    """What stands in a folder, in the form of `contents`."""
    return {
        path.relative_to(folder).as_posix(): (
            path.read_bytes(),
            bool(path.stat().st_mode & stat.S_IXUSR),
        )
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".copier-answers.yml"
    }
