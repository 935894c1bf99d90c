"""Packs of strangers: whatever is in one, the answer is a project or an error that names the place.

Soon, in bounded memory, and with nothing read or written outside of the pack and the destination.
PTSCAFFOLD_FUZZ=2000 tries so many packs of each kind instead of a few.
"""

from __future__ import annotations

import json
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptscaffold.errors import LayerError, PackError, PtscaffoldError, UsageError
from ptscaffold.export.template import export_template
from ptscaffold.layers.catalogue import Catalogue, open_packs
from ptscaffold.layers.files import tree_under
from ptscaffold.layers.history import ARCHIVE, History
from ptscaffold.project import show as describe
from ptscaffold.project.new import Request, create

EXAMPLES = int(os.environ.get("PTSCAFFOLD_FUZZ", "0"))
# Of the processor: how busy the machine is says nothing about a pack.
SECONDS = 2.0 if "coverage" not in sys.modules else 20.0

SECRET = "SECRET-OF-THE-PERSON"
GOOD = 'label = "X"\nhelp = "x"\n'

# A pack with a layer of every kind; paths of files with their content.
PACK: Mapping[str, str] = {
    "pack.toml": 'name = "acme"\nversion = "1"\n',
    "base/layer.toml": GOOD,
    "base/OWNERS.jinja": "{{ name }}\n",
    "domains/toy/layer.toml": GOOD,
    "domains/toy/src/__package__/toy.py": "toy = 1\n",
    "styles/slow/layer.toml": GOOD,
    "styles/slow/src/__package__/slow.py": "slow = 1\n",
    "features/extra/layer.toml": GOOD,
    "features/extra/extra.txt.jinja": "{{ description | md }} {{ name | toml }}\n",
    "presets/team.toml": '[answers]\nfeatures = ["extra"]\n',
}

TOOL: Mapping[str, str] = {
    "base/layer.toml": GOOD,
    "base/README.md.jinja": "# {{ name }}\n{% for l in layers %}{{ l.label }}{% endfor %}\n",
    "base/pyproject.toml.jinja": "[project]\nname = {{ name | toml }}\n",
}


@dataclass(frozen=True)
class Place:
    """A folder of a person who was given a pack: canary files stand beside everything."""

    top: Path

    @property
    def pack(self) -> Path:
        return self.top / "acme"

    @property
    def work(self) -> Path:
        return self.top / "work"

    @property
    def request(self) -> Request:
        return Request(
            domain="toy", style="slow", features=("extra",), packs=(str(self.pack),), name="net"
        )


@contextmanager
def a_place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        place = Place(Path(folder).resolve())
        for root, files in (("acme", PACK), ("tool", TOOL)):
            for path, content in files.items():
                put(place.top / root, path, content)
        for path in ("work/canary.txt", "canary/secret.txt", "secret.txt", "canary/layer.toml"):
            put(place.top, path, SECRET)
        here = Path.cwd()
        os.chdir(place.work)
        try:
            yield place
        finally:
            os.chdir(here)


@pytest.fixture
def place() -> Iterator[Place]:
    with a_place() as found:
        yield found


def put(root: Path, path: str, content: str | bytes) -> None:
    where = root / path
    where.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(where) and (where.is_symlink() or not where.is_file()):
        raise OSError(f"{where} is no plain file")  # a pipe would wait for its reader
    where.write_bytes(content if isinstance(content, bytes) else content.encode())


def everything(top: Path) -> dict[str, bytes | str]:
    """Every entry below a folder, but for the projects made in it; links are not followed."""
    found: dict[str, bytes | str] = {}
    for folder, folders, files in os.walk(top):
        if Path(folder) == top / "work":
            folders[:] = [name for name in folders if name not in ("net", "template")]
        for name in (*folders, *files):
            path = Path(folder, name)
            known = path.is_file() and not path.is_symlink() and path.stat().st_size < 1_000_000
            found[str(path)] = path.read_bytes() if known else oct(path.lstat().st_mode)
    return found


def uses(place: Place) -> dict[str, Callable[[], object]]:
    """Everything that can be done with a pack."""
    request, packs = place.request, (str(place.pack),)

    def on(work: Callable[[Catalogue], object]) -> Callable[[], object]:
        def run() -> object:
            return work(Catalogue(place.top / "tool", open_packs(packs)))

        return run

    def shown(catalogue: Catalogue) -> object:
        return [describe.show(path, catalogue=catalogue) for path in catalogue.paths()]

    team = replace(request, features=(), preset="team")
    return {
        "list": on(describe.list_layers),
        "show": on(shown),
        "dry run": on(lambda c: create(request, catalogue=c, dry_run=True)),
        "preset": on(lambda c: create(team, catalogue=c, dry_run=True)),
        "new": on(lambda c: create(request, catalogue=c)),
        "export": on(lambda c: export_template(request, Path("template"), catalogue=c)),
        "tree": lambda: tree_under(place.pack),
        "history": lambda: [
            describe.list_layers(catalogue)
            for version in History(place.pack, "1").releases()
            for catalogue in opened(History(place.pack, "1"), version)
        ],
    }


def opened(history: History, version: str) -> Iterator[Catalogue]:
    with history.folder(version) as root:
        for kind in ("domains", "styles", "features"):
            (root / kind).mkdir(exist_ok=True)
        yield Catalogue(root)


def survive(place: Place, only: tuple[str, ...] = ()) -> dict[str, PtscaffoldError]:
    """Use a pack in every way and give the errors; anything but an error of ours fails the test."""
    before = everything(place.top)
    errors = {}
    for name, use in uses(place).items():
        if only and name not in only:
            continue
        start = time.process_time()
        try:
            use()
        except PtscaffoldError as error:
            errors[name] = error
        assert time.process_time() - start < SECONDS, name
        assert everything(place.top) == before, name
    for error in errors.values():
        assert str(error).strip()
        assert error.hint
        str(error).encode()  # no lone surrogates: it can be printed and logged
    for made in ("net", "template"):
        texts = [p.read_bytes() for p in (place.work / made).rglob("*") if p.is_file()]
        assert not any(SECRET.encode() in text for text in texts)
    return errors


def test_the_pack_that_the_others_are_made_of_is_good(place: Place) -> None:
    assert survive(place) == {}
    assert (place.work / "net/OWNERS").read_text() == "net\n"
    assert (place.work / "net/extra.txt").read_text() == 'X (X) "net"\n'


# What a template does, and what is said about it. All stand in base/OWNERS.jinja.
DOUBLED = "{% set a = 'xxxxxxxxxx' %}" + "{% set a = OPERATION %}" * 40
TEMPLATES = {
    "include": ("{% include '/etc/passwd' %}", "no loader"),
    "import": ("{% import '../../secret.txt' as x %}", "no loader"),
    "extends": ("{% extends '/etc/passwd' %}", "no loader"),
    "class": ("{{ ''.__class__.__mro__ }}", "'__class__'"),
    "subclasses": ("{{ ()['__class__']['__base__']['__subclasses__']() }}", "'__class__'"),
    "attr": ("{{ '' | attr('__class__') }}", "'__class__'"),
    "format": ("{{ '{0.__class__}'.format(name) }}", "'__class__'"),
    "format by attr": ("{{ ('{0.__class__}' | attr('format'))(name) }}", "'__class__'"),
    "globals": ("{{ range.__globals__ }}", "'__globals__'"),
    "self": ("{{ self._TemplateReference__context }}", "_TemplateReference__context"),
    "folder": ("{{ layers[0].folder.parent.parent }}", "no attribute 'folder'"),
    "read": ("{{ (layers | last).folder.joinpath('../x').read_text() }}", "no attribute 'folder'"),
    "write": ("{{ domain_layer.folder.joinpath('x').write_text('x') }}", "no attribute 'folder'"),
    "folder by map": ("{{ layers | map(attribute='folder') | first }}", "no attribute 'folder'"),
    "nested for": (
        "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
        "more than 1,000,000 steps",
    ),
    "wide for": ("{% for i in range(10**9) %}{% endfor %}", "Range too big"),
    "loop with a long body": (
        "{% for i in range(90000) %}" + "{% set a = 1 %}" * 6_000 + "{% endfor %}",
        "more than 1,000,000 steps",
    ),
    "recursive loop": (
        "{% for i in [1, 2] recursive %}{{ loop([1, 2]) }}{% endfor %}",
        "a loop cannot be recursive",
    ),
    "macro": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls itself"),
    "branching macro": (
        "{% macro f(n) %}{% if n %}{{ f(n - 1) ~ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "more than 1,000,000 steps",
    ),
    "branching block": (
        "{% set n = namespace(i=60) %}{% block a %}{% if n is defined %}{% endif %}"
        "{{ self.a() }}{{ self.a() }}{% endblock %}",
        "calls itself",
    ),
    "times": ("{{ 'x' * 10**9 }}", "longer than 2,000,000"),
    "times a list": ("{{ [0] * 10**9 }}", "longer than 2,000,000"),
    "times from the left": ("{{ 10**9 * 'x' }}", "longer than 2,000,000"),
    "power": ("{{ 10 ** (10 ** 10) }}", "longer than 2,000,000"),
    "squares": ("{% set a = 99 %}" + "{% set a = a * a %}" * 60 + "{{ a }}", "longer than"),
    "width": ("{{ '%999999999d' % 1 }}", "longer than 2,000,000"),
    "width of a key": ("{{ '%(a%b)999999999d' % {'a%b': 1} }}", "longer than 2,000,000"),
    "star width": ("{{ '%*d' % (999999999, 1) }}", "longer than 2,000,000"),
    "format width": ("{{ '{:>999999999}'.format(1) }}", "longer than 2,000,000"),
    "nested width": ("{{ '{:{}}'.format(1, 999999999) }}", "longer than 2,000,000"),
    "format filter": ("{{ '%999999999s' | format(1) }}", "longer than 2,000,000"),
    "ljust": ("{{ 'x'.ljust(10**9) }}", "longer than 2,000,000"),
    "expandtabs": ("{{ '\t'.expandtabs(10**9) }}", "longer than 2,000,000"),
    "to_bytes": ("{{ (1).to_bytes(10**9, 'big') }}", "longer than 2,000,000"),
    "center": ("{{ 'x' | center(10**9) }}", "longer than 2,000,000"),
    "folded center": ("{{ 'x' | center(999999999) }}", "longer than 2,000,000"),
    "indent": ("{{ ('\n' * 100000) | indent(100000) }}", "longer than 2,000,000"),
    "replace": ("{{ ('x' * 100000) | replace('x', 'x' * 100000) }}", "longer than 2,000,000"),
    "method replace": ("{{ ('x' * 90000).replace('x', 'x' * 90000) }}", "longer than 2,000,000"),
    "join": ("{{ ([1] * 90000) | join('x' * 90000) }}", "longer than 2,000,000"),
    "join of one text": ("{% set x = 'x' * 10**6 %}{{ ''.join([x] * 1000) }}", "longer than"),
    "batch": ("{{ [1] | batch(10**9, 'x') | list }}", "longer than 2,000,000"),
    "slice": ("{{ [1] | slice(10**9) | list }}", "longer than 2,000,000"),
    "round": ("{{ 1 | round(10**9, 'ceil') }}", "longer than 2,000,000"),
    "tojson": ("{{ [1, 2] | tojson(indent=10**9) }}", "longer than 2,000,000"),
    "doubled by +": (DOUBLED.replace("OPERATION", "a + a"), "longer than 2,000,000"),
    "doubled by ~": (DOUBLED.replace("OPERATION", "a ~ a"), "longer than 2,000,000"),
    "doubled list": (DOUBLED.replace("OPERATION", "[a, a]") + "{{ a }}", "longer than"),
    "doubled tuple": (DOUBLED.replace("OPERATION", "(a, a)") + "{{ a }}", "longer than"),
    "doubled bare tuple": (DOUBLED.replace("OPERATION", "a, a") + "{{ a }}", "longer than"),
    "doubled table": (DOUBLED.replace("OPERATION", "{1: a, 2: a}") + "{{ a }}", "longer than"),
    "doubled namespace": (DOUBLED.replace("OPERATION", "namespace(x=a, y=a)"), "longer than"),
    "doubled dict": (DOUBLED.replace("OPERATION", "dict(x=a, y=a)"), "longer than"),
    "doubled set": (
        DOUBLED.replace("{% set a = OPERATION %}", "{% set a %}{{ a }}{{ a }}{% endset %}"),
        "longer than",
    ),
    "doubled macro": (
        "{% macro f(n) %}x{% if n %}{{ f(n - 1) * 2 }}{% endif %}{% endmacro %}{{ f(60) }}",
        "longer than",
    ),
    "long output": (
        "{% for i in range(9000) %}{{ 'x' * 9000 }}{% endfor %}",
        "longer than 2,000,000|more than 1,000,000",
    ),
    "many lists shown": (
        "{% set a = range(9999) | list %}"
        "{% set b %}{% for i in a %}{{ a }}{% endfor %}{% endset %}",
        "more than 1,000,000 steps",
    ),
    "mapped filters": (
        "{{ (['x' * 9999] * 99) | map('center', 9999) | map('center', 9999) | list }}",
        "longer than|more than|can't multiply",
    ),
    "punycode": ("{{ ('é' * 10**5).encode('punycode') }}", "unsafe|no attribute 'encode'"),
    "random": ("{{ [1, 2] | random }}", "No filter named 'random'"),
    "lipsum": ("{{ lipsum(n=10**6) }}", "'lipsum' is undefined"),
    "sum": ("{{ [[1]] * 90000 | sum(start=[]) }}", "No filter named 'sum'"),
    "deep brackets": ("{{ " + "(" * 9_000 + "1" + ")" * 9_000 + " }}", "nested too deeply"),
    "deep if": ("{% if name %}" * 150 + "{% endif %}" * 150, "too many levels of indentation"),
    "deep for": ("{% for i in [1] %}" * 30 + "{% endfor %}" * 30, "too many statically nested"),
    "long sum": ("{{ " + "1 + " * 20_000 + "1 }}", "nested too deeply"),
    "long template": ("{{ name }}" * 100_000, "longer than 100 kB"),
    "dense template": ("{{name}}" * 12_000, ""),
    "unclosed": ("{{ name", "unexpected end|expected token"),
    "raw": ("{% raw %}" * 9_000, "Missing end of raw"),
    "not UTF-8": (b"\xff{{ name }}", "is not UTF-8 text"),
    "negative steps": ("{{ [[1]] | map('each!', -10**9) | list | length }}", ""),
    "an unknown name": ("{{ os.system('x') }}", "'os' is undefined"),
    "loop control": ("{% for i in [] %}{% break %}{% endfor %}", "unknown tag 'break'"),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_gets_no_further(place: Place, name: str) -> None:
    text, message = TEMPLATES[name]
    put(place.pack, "base/OWNERS.jinja", text)
    errors = survive(place, ("dry run", "new"))
    assert set(errors) == ({"dry run", "new"} if message else set())
    for error in errors.values():
        assert isinstance(error, LayerError)
        assert "base/acme/OWNERS.jinja" in str(error)
        assert any(part in str(error) for part in message.split("|")), str(error)


@pytest.mark.parametrize("name", ["include", "class", "read", "nested for", "times", "macro"])
@pytest.mark.parametrize("where", ["next-steps = [TEXT]", "readme.usage = TEXT"])
def test_a_manifest_gets_no_further_than_a_template(place: Place, name: str, where: str) -> None:
    text, message = TEMPLATES[name]
    assert isinstance(text, str)
    put(place.pack, "features/extra/layer.toml", GOOD + where.replace("TEXT", json.dumps(text)))
    errors = survive(place, ("dry run", "new", "list", "export"))
    assert set(errors) == {"dry run", "new", "export"}
    for error in errors.values():
        assert isinstance(error, LayerError)
        assert str(error).startswith("features/extra/layer.toml ")
        assert any(part in str(error) for part in message.split("|"))


# Files of the pack that are hostile by what they hold. None: all is well with it.
CONTENTS: Mapping[str, tuple[str, str | bytes, str | None]] = {
    "broken TOML": ("base/layer.toml", "label = ", "base/layer.toml: Invalid value"),
    "deep TOML": ("base/layer.toml", "x = " + "[" * 9_000, "base/layer.toml: it is nested too"),
    "deep inline": ("base/layer.toml", "x = " + "{a=" * 9_000, "base/layer.toml: it is nested too"),
    "dotted": ("base/layer.toml", ".".join("a" * 9_000) + "=1", "layer.toml:1: a line has more"),
    "huge TOML": ("base/layer.toml", "x = 1\n" * 20_000, "layer.toml is larger than 64 kB"),
    "long number": ("base/layer.toml", GOOD + "order = " + "9" * 9_000, "Exceeds the limit"),
    "not UTF-8": ("base/layer.toml", b"\xff", "base/layer.toml: 'utf-8' codec"),
    "a zero byte": ("base/layer.toml", b"\0", "base/layer.toml: "),
    "unknown keys": ("base/layer.toml", GOOD + "".join(f"k{i}=1\n" for i in range(6_000)), "'k0'"),
    "label": ("base/layer.toml", 'label = "\\u001b[2J"\nhelp = "x"', "'label' holds a control"),
    "help": ("base/layer.toml", 'label = "x"\nhelp = "\\u0000"', "'help' holds a control"),
    "override up": (
        "base/layer.toml",
        GOOD + 'overrides = ["../../x"]',
        "overrides ../../x, which",
    ),
    "only up": (
        "base/layer.toml",
        GOOD + 'only = {"../../x" = "styles/plain"}',
        "has ../../x in `only`",
    ),
    "only a list": ("base/layer.toml", GOOD + 'only = {"x" = ["y"]}', "'only' must be a table"),
    "override all": ("base/layer.toml", GOOD + 'overrides = ["/etc/passwd"]', "overrides /etc/p"),
    "rename": ("base/layer.toml", GOOD + 'renames = {"../x" = "/etc/x", "/x" = "../.."}', None),
    "requires": (
        "base/layer.toml",
        GOOD + 'requires = ["x", "/", "../..", "base/x"]',
        "'requires' has 'x'",
    ),
    "requires nothing": ("features/extra/layer.toml", GOOD + 'requires = ["features"]', "requires"),
    "answer": ("base/layer.toml", GOOD + 'answers = {"../x" = "y"}', "'../x' cannot be the name"),
    "taken": ("base/layer.toml", GOOD + 'answers = {name = "y"}', "'name' cannot be the name"),
    "keyword": ("base/layer.toml", GOOD + 'answers = {if = "y"}', "'if' cannot be the name"),
    "self": ("base/layer.toml", GOOD + 'answers = {self = "y"}', "'self' cannot be the name"),
    "default": ("base/layer.toml", GOOD + 'answers.x = "\\u001b"', "'answers' holds a control"),
    "long default": (
        "base/layer.toml",
        GOOD + f'answers.x = "{"x" * 9_000}"',
        "'answers' has a default of more than 4,000 characters",
    ),
    "Jinja in a default": ("base/layer.toml", GOOD + "answers.x = \"{{ 'x' * 10**9 }}\"", None),
    "Jinja in a label": ("base/layer.toml", "label = \"{{ ''.__class__ }}\"\nhelp = '{%'", None),
    "step": (
        "features/extra/layer.toml",
        GOOD + "next-steps = [\"{{ '\\\\x1b[2J' }}\"]",
        "next-steps of a layer hold what cannot be shown",
    ),
    "pack name": ("pack.toml", 'name = "../../x"', "the name '../../x' is not of lower-case"),
    "long pack name": ("pack.toml", f'name = "{"x" * 999}"', "at most 100 characters"),
    "pack version": ("pack.toml", 'version = "\\u001b[2J"', "'version' must be a string"),
    "pack key": ("pack.toml", 'run = "rm -rf /"', "unknown key 'run'"),
    "pack TOML": ("pack.toml", "[" * 9_000, "pack.toml: "),
    "pack types": ("pack.toml", "name = []\nversion = {}", "the name [] is not"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_hostile_manifest_is_named(place: Place, name: str) -> None:
    path, content, message = CONTENTS[name]
    put(place.pack, path, content)
    errors = survive(place)
    if message is None:  # a text like any other, but not one that an export takes
        refused = errors.pop("export", None)
        assert refused is None or "an export takes" in str(refused)
        assert errors == {}
        return
    assert "new" in errors
    assert message in str(errors["new"])
    assert isinstance(errors["new"], LayerError | UsageError)


def link(path: str, to: str) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        where = place.pack / path
        where.parent.mkdir(parents=True, exist_ok=True)
        if where.is_dir():
            shutil.rmtree(where)
        where.unlink(missing_ok=True)
        where.symlink_to(to.replace("TOP", str(place.top)))

    return change


def special(path: str, make: Callable[[Path], object]) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        where = place.pack / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.unlink(missing_ok=True)
        make(where)

    return change


def named(*paths: str | bytes) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        for path in paths:
            put(place.pack, os.fsdecode(path), "x")

    return change


def sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(50_000_000_000)


def many_files(place: Place) -> None:
    (place.pack / "base/many").mkdir()
    for index in range(10_001):
        (place.pack / f"base/many/{index}").touch()


def much(place: Place) -> None:
    for index in range(6):
        with (place.pack / f"base/{index}.bin").open("wb") as stream:
            stream.truncate(19_000_000)


def deep(place: Place) -> None:
    (place.pack / "base" / "/".join("d" * 200)).mkdir(parents=True)


def many_layers(place: Place) -> None:
    for index in range(201):
        put(place.pack, f"features/f{index}/layer.toml", GOOD)


# Entries of the pack that are hostile by what they are, or what they are called.
ENTRIES: Mapping[str, tuple[Callable[[Place], None], str]] = {
    "link to a file": (link("base/x", "TOP/secret.txt"), "base/acme/x is a symbolic link"),
    "link to nothing": (link("base/x", "nowhere"), "base/acme/x is a symbolic link"),
    "link to itself": (link("base/x", "x"), "base/acme/x is a symbolic link"),
    "link to a folder": (link("base/x", "TOP/canary"), "base/acme/x is a symbolic link"),
    "link to a layer": (link("domains/toy", "TOP/canary"), "domains/toy is a symbolic link"),
    "link to a kind": (link("domains", "TOP/canary"), "domains is a symbolic link"),
    "link to a base": (link("base", "TOP/canary"), "base is a symbolic link"),
    "link to a manifest": (link("base/layer.toml", "TOP/secret.txt"), "layer.toml is a symbolic"),
    "link to a pack.toml": (link("pack.toml", "TOP/secret.txt"), "pack.toml is a symbolic link"),
    "link for pack.toml": (link("pack.toml", "nowhere"), "pack.toml is a symbolic link"),
    "pipe": (special("base/x", os.mkfifo), "base/acme/x is not a plain file"),
    "pipe for a manifest": (special("base/layer.toml", os.mkfifo), "layer.toml is not a plain"),
    "pipe for pack.toml": (special("pack.toml", os.mkfifo), "pack.toml is not a plain file"),
    "folder for pack.toml": (special("pack.toml", Path.mkdir), "pack.toml is not a plain file"),
    "folder for a manifest": (special("base/layer.toml", Path.mkdir), "layer.toml is not a plain"),
    "large file": (special("base/x", sparse), "base/acme/x is larger than 20 MB"),
    "large manifest": (special("base/layer.toml", sparse), "layer.toml is larger than 64 kB"),
    "many files": (many_files, "base/acme holds more than 10,000 files"),
    "much in all": (much, "the files of base/acme are larger than 100 MB"),
    "deep folders": (deep, "is nested too deeply"),
    "many layers": (many_layers, "features holds more than 200 layers"),
    "two cases": (named("base/a", "base/A"), "holds a twice, or in two spellings"),
    "two cases of a folder": (named("base/b/x", "base/B/y"), "is spelled b in base/acme"),
    "two forms": (named("base/\xe9", "base/e\u0301"), "twice, or in two spellings"),
    "sharp s": (named("base/stra\xdfe", "base/strasse"), "twice, or in two spellings"),
    "case of another layer": (named("base/readme.MD"), "readme.MD is in two layers, base and"),
    "file for a folder": (named("features/extra/src"), "features/extra has a file src"),
    "folder for a file": (named("base/README.md/x"), "has a file README.md, base/acme has"),
    "device": (named("base/aux"), "Windows cannot hold a file named 'aux'"),
    "device with a dot": (named("base/NUL.txt"), "Windows cannot hold a file named 'NUL.txt'"),
    "device with a space": (named("base/con .txt"), "Windows cannot hold a file named 'con .txt'"),
    "stream": (named("base/a:b"), "Windows cannot hold a file named 'a:b'"),
    "backslash": (named("base/..\\..\\x"), "Windows cannot hold a file named '..\\\\..\\\\x'"),
    "drive": (named("base/C:x"), "Windows cannot hold a file named 'C:x'"),
    "dot at the end": (named("base/x."), "Windows cannot hold a file named 'x.'"),
    "control character": (named("base/\x1b[2J"), "the name '\\x1b[2J' holds what cannot be shown"),
    "line break": (named("base/a\nb"), "the name 'a\\nb' holds what cannot be shown"),
    "right to left": (named("base/\u202etxt.exe"), "holds what cannot be shown"),
    "no UTF-8": (named(b"base/\xff"), "the name '\\udcff' holds what cannot be shown"),
    "the record": (named("base/.ptscaffold.toml"), "must not hold .ptscaffold.toml"),
    "the record's case": (named("base/.PTscaffold.toml"), "must not hold .PTscaffold.toml"),
    "a staged journal": (named("base/.Ptscaffold-Update.tmp/x"), "must not hold .Ptscaffold-U"),
    "a file of the journal": (named("base/.ptscaffold-update.1.before.0"), "must not hold .ptsc"),
    "the journal": (named("base/.ptscaffold-update/journal.json"), "must not hold .ptscaffold-u"),
    "git's settings": (named("base/.git/config"), "must not hold a folder of git, '.git'"),
    "git's hooks": (named("base/sub/.GIT/hooks/x"), "must not hold a folder of git, '.GIT'"),
    "git's short name": (named("base/GIT~1/config"), "must not hold a folder of git, 'GIT~1'"),
    "a suffix only": (named("base/.jinja"), "must not hold a file named only .jinja"),
    "dots by suffix": (named("base/...jinja"), "Windows cannot hold a file named '..'"),
    "a layer's name": (
        lambda place: put(place.pack, "features/Bad Name/layer.toml", GOOD),
        "no layer name",
    ),
    "a layer of the tool": (
        lambda place: put(place.top / "tool", "domains/TOY/layer.toml", GOOD),
        "domains/toy is in two places",
    ),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_hostile_entry_is_named(place: Place, name: str) -> None:
    change, message = ENTRIES[name]
    change(place)
    errors = survive(place)
    found = [str(error) for error in errors.values() if isinstance(error, LayerError)]
    assert any(message in text for text in found), errors
    assert isinstance(errors.get("new", errors.get("list")), LayerError)


def test_a_long_name_is_no_reason_to_fall(place: Place) -> None:
    named(f"base/{'x' * 249}.jinja", f"base/{'y' * 255}")(place)
    assert set(survive(place)) <= {"export"}


# Presets that packs bring.
PRESETS = {
    "broken": ("[", "team.toml: "),
    "types": ("packs = 1\nanswers = 2\nlocked = 3", "'packs' must be a list of strings"),
    "unknown keys": ("".join(f"k{i}=1\n" for i in range(5_000)), "unknown key 'k0'"),
    "dotted": ("[answers]\n" + ".".join("a" * 9_000) + "=1", "team.toml:2: a line has more than"),
    "a name that leads out": ('answers.name = "../../x"', "leads out of this folder"),
    "an absolute name": ('answers.name = "/tmp/x"', "is an absolute path"),
    "a name of another type": ("answers.name = {}", "name must be text, not {}"),
    "features": ("answers.features = [[1]]", "features must be a list of names"),
    "locked features": ("locked.features = {value = 1, reason = 1}", "features must be a list"),
    "a locked name": ('locked.name = {value = "../x", reason = "y"}', "name is fixed to"),
    "locked": ("locked.style = 1", "'locked.style' must be a table of value and reason"),
    "an unknown answer": ('answers."../x" = "y"', "unknown answer '../x'"),
    "a long description": (f'answers.description = "{"x" * 9_000}"', "more than 4,000 characters"),
    "a control character": ('answers.description = "\\u001b"', "holds a control character"),
    "a date": ("answers.description = 1979-05-27", "description must be text"),
    "a pack that is none": ('packs = ["~nobody-at-all/x"]', "no pack at ~nobody-at-all/x"),
    "a pack too long": (f'packs = ["{"x/" * 9_000}"]', "there is no pack at"),
    "a pack with a zero byte": ('packs = ["a\\u0000b"]', "presets/a\\x00b: no such folder"),
    "an address with one": ('packs = ["git+file:///a\\u0000b"]', "is no address of a pack"),
    "a helper": ('packs = ["git+ext::sh -c touch% canary"]', "cannot fetch git+ext::"),
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_hostile_preset_is_named(place: Place, name: str) -> None:
    text, message = PRESETS[name]
    put(place.pack, "presets/team.toml", text)
    request = replace(place.request, features=(), preset="team")
    request = replace(request, name=None) if "a name" in name or "absolute" in name else request
    before = everything(place.top)
    with pytest.raises(PtscaffoldError) as caught:
        create(request)
    assert message in str(caught.value)
    assert isinstance(caught.value, LayerError | UsageError | PackError)
    assert everything(place.top) == before


def test_a_preset_of_a_pack_is_no_link(place: Place) -> None:
    put(place.top, "canary/team.toml", 'answers.style = "plain"')
    (place.pack / "presets/team.toml").unlink()
    (place.pack / "presets/team.toml").symlink_to(place.top / "canary/team.toml")
    with pytest.raises(LayerError, match=r"team\.toml is a symbolic link"):
        create(replace(place.request, preset="team"))
    shutil.rmtree(place.pack / "presets")
    (place.pack / "presets").symlink_to(place.top / "canary")
    with pytest.raises(LayerError, match="presets is a symbolic link"):
        create(replace(place.request, preset="team"))


def test_a_link_that_the_person_names_is_followed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.top / "link").symlink_to(place.pack)
    (pack,) = open_packs((str(place.top / "link"),))
    made = create(replace(place.request, packs=()), catalogue=Catalogue(place.top / "tool", [pack]))
    assert "OWNERS" in made.plan.files
    (place.top / "mine.toml").symlink_to(place.pack / "presets/team.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.top / "config"))
    own = place.top / "config/ptscaffold/presets"
    own.mkdir(parents=True)
    (own / "own.toml").symlink_to(place.pack / "presets/team.toml")
    for preset in (str(place.top / "mine.toml"), "own"):
        request = replace(place.request, features=(), preset=preset, name="other")
        catalogue = Catalogue(place.top / "tool", open_packs(request.packs))
        found = create(request, catalogue=catalogue, dry_run=True)
        assert found.plan.answers.features == ("extra",)


ADDRESSES = {
    "--upload-pack=touch canary": "there is no pack at",
    "git+--upload-pack=touch canary": "is no address of a pack",
    "git+file:///x@--upload-pack=touch": "is no address of a pack",
    "git+ext::sh -c touch% canary": "cannot fetch git+ext::",
    "ext::sh -c touch% canary": "there is no pack at",
    "git+fd::17": "cannot fetch git+fd::17",
    "git+file:///x#subdirectory=../../x": "is no address of a pack",
    "git+file:///x#subdirectory=/etc": "is no address of a pack",
    "git+file:///x#subdir=x": "is no address of a pack",
    "git+file:///nowhere-at-all": "cannot fetch git+file:///nowhere-at-all",
    "git+file:///a\nb": "is no address of a pack",
    "git+": "cannot fetch git+",
    "x" * 9_000: "unknown pack 'xxx",
    "X" * 9_000: "there is no pack at",
    "\0": "there is no pack at",
    "~nobody-at-all": "there is no pack at",
}


@pytest.mark.parametrize("source", ADDRESSES, ids=lambda source: source[:30].replace("\0", "0"))
def test_a_hostile_address_is_refused(
    place: Place, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A person may allow what is asked for by default; not for a pack.
    settings = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.allow"}
    for key, value in {**settings, "GIT_CONFIG_VALUE_0": "always"}.items():
        monkeypatch.setenv(key, value)
    before = everything(place.top)
    with pytest.raises(PackError) as caught:
        open_packs([source])
    assert ADDRESSES[source] in str(caught.value)
    assert everything(place.top) == before


def test_a_repository_is_fetched_by_its_files_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.pack / "base/link").symlink_to(place.top / "secret.txt")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *arguments], cwd=place.pack, check=True)
    other = place.top / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    before = everything(place.top)
    # As in a hook of another repository, which must not become that of the pack.
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(place.work))
    (pack,) = open_packs([f"git+file://{place.pack}"])
    assert (pack.root / "base/link").read_text() == str(place.top / "secret.txt")
    assert not (pack.root / "base/link").is_symlink()
    assert everything(place.top) == before


def archive(releases: object, files: object | None = None) -> bytes:
    content = {"files": {"k": "x"} if files is None else files, "releases": releases}
    return lzma.compress(json.dumps(content).encode())


BOMB = lzma.compress(b"[" * 300_000_000, preset=0)
HISTORIES = {
    "up": archive({"0": {"../../work/x": ["k", 0o644]}}),
    "absolute": archive({"0": {"/tmp/hostile-x": ["k", 0o644]}}),
    "backslash": archive({"0": {"..\\x": ["k", 0o644]}}),
    "drive": archive({"0": {"C:x": ["k", 0o644]}}),
    "setuid": archive({"0": {"base/x": ["k", 0o4755]}}),
    "no such file": archive({"0": {"base/x": ["other", 0o644]}}),
    "file for a folder": archive({"0": {"base": ["k", 0o644], "base/x": ["k", 0o644]}}),
    "long": archive({"0": {"x" * 999: ["k", 0o644]}}),
    "types": archive([1]),
    "more types": archive({"0": {"base/x": 1}}),
    "content": archive({"0": {"base/x": ["k", 0o644]}}, {"k": 1}),
    "no base64": archive({"0": {"base/x": ["k", 0o644]}}, {"k": ["é"]}),
    "a list": lzma.compress(b"[]"),
    "deep": lzma.compress(b"[" * 100_000),
    "no archive": b"x",
    "cut off": archive({})[:-20],
    "bomb": BOMB,
}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_hostile_history_stays_in_its_folder(place: Place, name: str) -> None:
    put(place.pack, ARCHIVE, HISTORIES[name])
    assert set(survive(place, ("history", "tree", "list"))) == {"history"}


def test_a_history_is_no_link_and_leads_to_none(place: Place) -> None:
    link(f"{ARCHIVE}.tmp", "TOP/secret.txt")(place)
    assert History(place.pack, "1").add()
    assert (place.top / "secret.txt").read_text() == SECRET
    link(ARCHIVE, "TOP/secret.txt")(place)
    assert "is a symbolic link" in str(survive(place, ("history",))["history"])
    special(ARCHIVE, os.mkfifo)(place)
    assert "is not a plain file" in str(survive(place, ("history",))["history"])


# Now at random: several hostile changes to a valid pack at once.

TEXTS = st.one_of(
    st.sampled_from(["", "..", "/", "../../x", "/etc/passwd", "C:\\x", "con", "{{", "{% for %}"]),
    st.sampled_from([text for text, _ in TEMPLATES.values() if len(text) < 200]).filter(
        lambda text: isinstance(text, str)
    ),
    st.text(max_size=40),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(), st.booleans(), st.floats(allow_nan=False)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
MANIFEST_KEYS = """
    label help summary order dependencies dev-dependencies requires conflicts overrides only renames
    moved formerly answers renamed-answers next-steps readme pyproject name version packs locked x
"""
KEYS = st.sampled_from(MANIFEST_KEYS.split())
NAMES = st.lists(
    st.one_of(
        st.sampled_from(["src", "SRC", "__package__", "README.md", ".git", "aux", "x.jinja", "X"]),
        st.binary(min_size=1, max_size=8).filter(lambda b: not {0, 47} & set(b)),
        st.text(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=3,
)
FOLDERS = ["base", "domains/toy", "styles/slow", "features/extra", "presets", "domains", "."]
TABLES = [path for path in PACK if path.endswith(".toml")]


def toml(value: object) -> str:
    """TOML of what `VALUES` gives; text that TOML cannot hold stays wrong."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


@st.composite
def changes(draw: st.DrawFn) -> Callable[[Place], None]:
    """One hostile change of a pack."""
    kind = draw(st.sampled_from(["table", "bytes", "file", "template", "link", "pipe"]))
    folder = draw(st.sampled_from(FOLDERS))
    parts = [os.fsdecode(p) if isinstance(p, bytes) else p for p in draw(NAMES)]
    path = f"{folder}/{'/'.join(parts)}"
    if kind == "table":
        path = draw(st.sampled_from(TABLES))
        table = draw(st.dictionaries(KEYS, VALUES, max_size=3))
        keep = draw(st.booleans())
        lines = "".join(f"{key} = {toml(value)}\n" for key, value in table.items())
        return writing(path, (lines + PACK[path] if keep else lines).encode("utf-8", "replace"))
    if kind == "bytes":
        return writing(draw(st.sampled_from(sorted(PACK))), draw(st.binary(max_size=60)))
    if kind == "file":
        return writing(path, draw(st.binary(max_size=20)))
    if kind == "template":
        text = "".join(draw(st.lists(TEXTS, max_size=3)))
        return writing("base/OWNERS.jinja", text.encode("utf-8", "replace"))
    target = draw(st.sampled_from([path, *PACK, "domains", "base", "styles/slow"]))
    if kind == "pipe":
        return quietly(special(target, os.mkfifo))
    return quietly(link(target, draw(st.sampled_from(["TOP/canary", "TOP/secret.txt", "..", "."]))))


def writing(path: str, data: bytes) -> Callable[[Place], None]:
    return quietly(lambda place: put(place.pack, path, data))


def quietly(change: Callable[[Place], None]) -> Callable[[Place], None]:
    """A change that is left out where the file system, or the one before it, does not allow it."""

    def apply(place: Place) -> None:
        linked = any(entry.is_symlink() and entry.is_dir() for entry in place.pack.rglob("*"))
        try:
            if not linked:  # or it would be a change of a folder outside
                change(place)
        except (OSError, ValueError):
            return

    return apply


@settings(max_examples=EXAMPLES or 40, deadline=None)
@given(st.lists(changes(), min_size=1, max_size=3))
def test_no_pack_does_harm(hostile: list[Callable[[Place], None]]) -> None:
    with a_place() as place:
        for change in hostile:
            change(place)
        survive(place)
