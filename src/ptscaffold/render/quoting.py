"""Text put into TOML, Markdown or a shell's command line so that it comes out literally."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

__all__ = ["markdown_text", "toml_value"]

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

_ESCAPES = {
    "\\": "\\\\",
    '"': '\\"',
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
}


def toml_value(value: Any) -> str:
    """Write text, a list of text, a number or a truth value as TOML.

    >>> print(toml_value(['say "hi"', "C:\\\\new"]))
    ["say \\"hi\\"", "C:\\\\new"]
    """
    if isinstance(value, str):
        return f'"{"".join(map(_escape, value))}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    raise TypeError(f"cannot write {type(value).__name__} as TOML")


def markdown_text(value: str) -> str:
    """Write text as one line of Markdown, prose or heading, that shows every character as it is.

    Only what Markdown would take for its own is escaped: `2 * 3` and `{{ x }}` stay readable.
    """
    line = " ".join(value.split())
    line = _MARKUP.sub(r"\\\g<0>", line)
    line = _BLOCK_START.sub(r"\\\g<0>", line)
    return _LIST_NUMBER.sub(r"\1\\\2", line)


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return f"\\u{ord(character):04X}" if ord(character) < 32 or ord(character) == 127 else character
