"""What MkDocs puts into the pages when it builds them: what the program itself knows.

A comment in a page is replaced:

    <!-- commands -->      every command and flag of ptscaffold
    <!-- layer.toml -->    the keys of a manifest, and what they hold
    <!-- flags -->         the flags of training, of every domain

Links out of docs/ lead to the repository, where its address is known.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import typer

from ptscaffold.cli import app as cli
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.manifest import Layer

ROOT = Path(__file__).parents[1]
SHARED = {"--json", "--no-input", "--debug", "--help"}
HOLDS = {"str": "text", "int": "number", "tuple[str, ...]": "list of texts"}


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    return expand(markdown, config["repo_url"] or "")


def expand(markdown: str, repository: str = "") -> str:
    makers = {"commands": commands, "layer.toml": manifest, "flags": flags}
    for name, make in makers.items():
        marker = f"<!-- {name} -->"
        if marker in markdown:
            markdown = markdown.replace(marker, make())
    for prefix, folder in ((r"\.\./", ""), (r"(?=example-pack)", "docs/")):
        to = rf"[\1]({repository}/blob/main/{folder}\2)" if repository else r"\1"
        markdown = re.sub(rf"\[([^]]+)\]\({prefix}([^)]*)\)", to, markdown)
    return markdown


def commands() -> str:
    group: Any = typer.main.get_command(cli.app)
    return "\n".join(command(name, group.commands[name]) for name in group.commands)


def command(name: str, of: Any) -> str:
    """A section of its own: what the command does, then a row for each argument and flag."""
    help_, rows = textwrap.dedent(of.help or "").strip(), []
    for parameter in of.params:
        if SHARED & set(parameter.opts) or getattr(parameter, "hidden", False):
            continue
        words = parameter.metavar or ""
        if parameter.param_type_name == "argument":
            shown = words or parameter.name.upper()
        else:
            names = [opt for opt in parameter.opts if opt.startswith("--")]
            shown = " ".join([*names, words]).strip()
        text = f"{parameter.help or ''}{f' Or `{parameter.envvar}`.' if parameter.envvar else ''}"
        rows.append(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in (f"`{shown}`", text)) + " |"
        )
    table = ["| | |", "|---|---|", *rows, ""] if rows else []
    paragraphs = [code_of(part) for part in help_.split("\n\n")]
    return "\n".join([f"### ptscaffold {name}", "", "\n\n".join(paragraphs), "", *table])


def code_of(paragraph: str) -> str:
    """A paragraph of a help text, its examples as code."""
    lines = paragraph.strip().lstrip("\b").strip().splitlines()
    if "\b" in paragraph or all(line.strip().startswith("ptscaffold ") for line in lines):
        return "\n".join(["```sh", *(line.strip() for line in lines), "```"])
    return "\n".join(line.strip() for line in lines)


def manifest() -> str:
    """The keys of layer.toml by the dataclass that reads it, in the words of CONTRIBUTING.md."""
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", told.partition("### layer.toml")[2], re.M)
    words = {key: text for keys, text in rows for key in re.findall(r"`\[?([a-z-]+)\]?`", keys)}
    lines = ["| key | holds | |", "|---|---|---|"]
    for spec in fields(Layer):
        if spec.name not in ("path", "folder"):
            key = spec.name.replace("_", "-")
            bare = spec.default is MISSING and spec.default_factory is MISSING
            holds = HOLDS.get(str(spec.type), "table of texts") + (", required" if bare else "")
            lines.append(f"| `{key}` | {holds} | {words[key].removeprefix('required: ')} |")
    return "\n".join(lines)


def flags() -> str:
    """The fields of every domain's Config with their comments; those that all share come once."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for domain in Catalogue().choices("domains"):
        text = (domain.folder / "src/__package__/config.py").read_text(encoding="utf-8")
        for name, default, comment in re.findall(
            r"^    (\w+): [^=\n]+ = ([^#\n]+?)(?:  # (.*))?$", text.partition("\n\n\ndef ")[0], re.M
        ):
            found.setdefault(name, {})[domain.name] = (default, comment)
    lines = ["| flag | in | default | |", "|---|---|---|---|"]
    for name, domains in found.items():
        everywhere = len(set(domains.values())) == 1 and len(domains) > 1
        for domain, (default, comment) in list(domains.items())[: 1 if everywhere else None]:
            where = "all" if everywhere else domain
            flag = "--" + name.replace("_", "-")
            lines.append(f"| `{flag}` | {where} | `{default}` | {comment.replace('<', '&lt;')} |")
    return "\n".join(lines)
