"""What ptscaffold computes from answers, as Jinja text that cookiecutter and copier render alike.

Plain Jinja: no extension, no filter of theirs. `<answer>` is the one that an expression is about,
`<name>` the name of the project; `expand` puts them in the words of an engine.
"""

from __future__ import annotations

import keyword
import re
import string
import sys
from typing import TYPE_CHECKING, Final

from ptscaffold.layers.names import FOLDERS, IMPORTS, LONGEST, WINDOWS_DEVICES

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FILTERS", "PACKAGE", "control_check", "expand", "jinja_text", "name_check"]
__all__ += ["taken_names"]

_ALLOWED: Final = f"{string.ascii_letters}{string.digits}._-"

# `package_name`: every run of "-", "_" and "." becomes one "_".
PACKAGE: Final = (
    "{{ (<name> | replace('-', '_') | replace('.', '_')).split('_') | select | join('_') | lower }}"
)

# `toml_value`, without the quotes around it; the check below keeps other control characters out.
_TOML: Final = r"""{{ <answer> | replace('\\', '\\\\') | replace('"', '\\"') | replace('\n', '\\n')
    | replace('\t', '\\t') }}"""

# `markdown_text`: what is markup inside the line, then what is at its start.
_MARKDOWN: Final = (
    r"""
{%- set line = <answer>.split() | join(' ') -%}
{%- set punctuation = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~' -%}
{%- set letters = '"""
    + string.ascii_letters
    + r"""' -%}
{%- set escaped -%}
{%- for c in line -%}
{%- set before, after = line[loop.index0 - 1:loop.index0], line[loop.index:loop.index + 1] -%}
{%- set rest = line[loop.index:] -%}
{%- set entity = rest.split(';')[0] if ';' in rest else '' -%}
{%- if c in '`[]'
    or c == '\\' and after in punctuation
    or c == '*' and (before != ' ' or after != ' ')
    or c == '_' and (not before.isalnum() and after != ' ' or before != ' ' and not after.isalnum())
    or c == '~' and '~' in (before, after)
    or c == '<' and after and after in letters ~ '/!?'
    or c == '&' and (entity[1:] if entity[:1] == '#' else entity).replace('_', 'x').isalnum()
    or c == '#' and before == ' ' and not rest.strip('#') -%}
\
{%- endif -%}
{{ c }}
{%- endfor -%}
{%- endset -%}
{%- set first, rest = escaped[:1], escaped[1:] -%}
{%- set number = escaped.split(' ')[0] -%}
{%- if first and (first in '#>'
    or first in '-+' and rest[:1] in ' '
    or first in '-=' and not rest.strip('-= ')
    or first == '-' and not rest.strip('-*_ ')) -%}
\{{ escaped }}
{%- elif number[-1:] and number[-1:] in '.)' and number[:-1].isdecimal() -%}
{{ number[:-1] }}\{{ number[-1:] }}{{ escaped[number | length:] }}
{%- else -%}
{{ escaped }}
{%- endif -%}"""
)

FILTERS: Final = {"toml": _TOML, "md": _MARKDOWN}

# A run of braces that Jinja would read as the start of something, and what it or cookiecutter
# would change: carriage returns, and the control characters that make a file count as binary.
_SPECIAL = re.compile(r"\{*[\x00-\x08\x0b-\x1f]+|\{{2,}|\{(?=[%#])")


def expand(expression: str, prefix: str, answer: str) -> str:
    """An expression of this module, about one answer, in the words of one engine."""
    return expression.replace("<answer>", f"{prefix}{answer}").replace("<name>", f"{prefix}name")


def name_check(taken: str) -> str:
    """What is wrong with `<name>`, or nothing; `taken` is an expression that lists names."""
    package = PACKAGE.removeprefix("{{ ").removesuffix(" }}")
    return (
        f"{{%- if <name>.strip('{_ALLOWED}') or <name> | length > {LONGEST}"
        " or not <name>[:1].isalpha() or not <name>[-1:].isalnum() -%}"
        f"the name must be of 1 to {LONGEST} ASCII letters, digits, '-', '_' and '.', start with a"
        " letter and end with a letter or digit"
        f"{{%- elif ({package}) in {taken} or <name>.split('.')[0].lower() in "
        f"{sorted(WINDOWS_DEVICES)} -%}}"
        "the name is taken by Python, a library, a folder of the project or Windows"
        "{%- endif -%}"
    )


def control_check(answer: str) -> str:
    """What is wrong with an answer that is text, or nothing."""
    return (
        "{%- for c in <answer> if c < ' ' and c not in '\\n\\t' or c == '\\x7f' -%}"
        f"{{%- if loop.first %}}{answer} holds a control character{{% endif -%}}"
        "{%- endfor -%}"
    )


def taken_names(imports: Iterable[str]) -> list[str]:
    """Every name that a package cannot have, those of what it depends on included."""
    words = {*keyword.kwlist, "true", "false", "none", *sys.stdlib_module_names}
    words |= {*FOLDERS, *IMPORTS, *imports}
    return sorted({word.lower() for word in words if not word.startswith("_")})


def jinja_text(text: str) -> str:
    """Jinja that renders to `text`, whatever stands in it."""
    return _SPECIAL.sub(lambda found: "{{ " + _literal(found[0]) + " }}", text)


def _literal(text: str) -> str:
    return "'" + "".join(c if c >= " " else f"\\x{ord(c):02x}" for c in text) + "'"
