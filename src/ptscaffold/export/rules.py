"""What answers an exported template takes: those that are the same in TOML, Markdown and Jinja."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ptscaffold.errors import UsageError
from ptscaffold.layers.names import FOLDERS, IMPORTS, LONGEST, WINDOWS_DEVICES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["NAME", "PACKAGE", "TEXT", "WRONG_NAME", "WRONG_TEXT", "check", "jinja_text", "taken"]

NAME: Final = r"\A[A-Za-z][A-Za-z0-9]*([-_.][A-Za-z0-9]+)*\Z"
PACKAGE: Final = "{{ <name> | lower | replace('-', '_') | replace('.', '_') }}"
# Single spaces alone, no number of a list; then nothing that TOML, Markdown or Jinja would read
TEXT: Final = (
    r"""\A(?!.*(?:  | \Z|[^\S ])|\d+[.)](?: |\Z))[^\W_][^\x00-\x1f\x7f"\\`*_\[\]<>&#~{}]*\Z"""
)

WRONG_NAME: Final = (
    f"up to {LONGEST} letters and digits of ASCII, a letter first, with single '-', '_' or '.'"
    " between them"
)
WRONG_TEXT: Final = (
    "one line of plain words, a letter or digit first, without the characters of markup"
)

# A run of braces that Jinja would read as the start of something, and what it or cookiecutter
# would change: carriage returns, and the control characters that make a file count as binary.
_SPECIAL = re.compile(r"\{*[\x00-\x08\x0b-\x1f]+|\{{2,}|\{(?=[%#])")


def check(asks: Mapping[str, str]) -> None:
    """Refuse defaults that a template would refuse as answers; UsageError names all of them."""
    wrong = [
        f"{key} {value!r}: an export takes {WRONG_NAME if key == 'name' else WRONG_TEXT}"
        for key, value in asks.items()
        if not re.search(NAME if key == "name" else TEXT, value)
    ]
    if wrong:
        raise UsageError(*wrong, hint="choose others with --set KEY=VALUE")


def taken(imports: Iterable[str], python: Iterable[str] = ()) -> list[str]:
    """Every name that a package cannot have: of folders, of what it imports, of `python` itself."""
    words = {"true", "false", "none", *FOLDERS, *IMPORTS, *WINDOWS_DEVICES, *imports, *python}
    return sorted({word.lower() for word in words if not word.startswith("_")})


def jinja_text(text: str) -> str:
    """Jinja that renders to `text`, whatever stands in it."""
    return _SPECIAL.sub(lambda found: "{{ " + _literal(found[0]) + " }}", text)


def _literal(text: str) -> str:
    return "'" + "".join(c if c >= " " else f"\\x{ord(c):02x}" for c in text) + "'"
