"""The faults of `faults.toml`, one case for every project that a fault is put into."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ptscaffold.layers.catalogue import Catalogue

__all__ = ["CASES", "Case", "Edit"]


@dataclass(frozen=True)
class Edit:
    """A text of a module that stands there exactly once, and what replaces it."""

    file: str
    old: str
    new: str

    def apply(self, source: str) -> str:
        """Give the source with the fault in it; ValueError when the edit no longer fits."""
        if (count := source.count(self.old)) != 1:
            raise ValueError(f"{self.file} holds this {count} times, not once:\n{self.old}")
        return source.replace(self.old, self.new)


@dataclass(frozen=True)
class Case:
    """A fault in a project: what it is called, and how it gets in."""

    name: str
    domain: str
    style: str
    edits: tuple[Edit, ...]

    @property
    def cell(self) -> str:
        return f"{self.domain}-{self.style}"

    @property
    def package(self) -> str:
        return self.cell.replace("-", "_")

    def apply(self, sources: Mapping[str, str]) -> dict[str, str]:
        """Give the modules that the fault changes, by name; SyntaxError if one is no Python."""
        changed: dict[str, str] = {}
        for edit in self.edits:
            changed[edit.file] = edit.apply(changed.get(edit.file, sources[edit.file]))
        for file, source in changed.items():
            compile(source, file, "exec", dont_inherit=True)
        return changed


def read_cases() -> list[Case]:
    """Read the table; a vision fault that is not there for every style is an error."""
    styles = Catalogue().names("styles")
    text = (Path(__file__).parent / "faults.toml").read_text(encoding="utf-8")
    cases = []
    for fault in tomllib.loads(text)["fault"]:
        domain = fault.pop("domain", "vision")
        name = fault.pop("name")
        given = set(styles) if "all" in fault else set(fault)
        if not given <= set(styles) or (domain == "vision" and given != set(styles)):
            raise ValueError(f"{name!r} is given for the styles {', '.join(sorted(fault))}")
        for style in sorted(given):
            edits = tuple(Edit(**edit) for edit in [*fault.get("all", []), *fault.get(style, [])])
            cases.append(Case(name, domain, style, edits))
    return cases


CASES = read_cases()
