"""Questions: what is asked, with which default, and what is asked again."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptscaffold.cli import prompts
from ptscaffold.cli.console import as_keyboard_interrupt
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.project.new import Request, create
from ptscaffold.render.given import Given


def ask(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, typed: str, **values: object
) -> Given:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    return prompts.ask(Given(values), catalogue)


def test_enter_takes_the_defaults(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ask(catalogue, monkeypatch, "\n\n\n\n")
    assert given.values == {
        "domain": "vision",
        "style": "plain",
        "features": (),
        "name": "vision-plain",
    }
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "What it learns decides data, network and the sample of the first run:\n"
        "  vision        image classification\n"
        "  text          text classification\n"
        "Domain (--domain) [vision]: "
        "How its training loop is written; commands and files are the same in all:\n"
        "  plain         one visible loop\n"
        "  lightning     a LightningModule\n"
        "Style (--style) [plain]: "
        "What not every project needs; ptscaffold add brings it later too:\n"
        "  docker        an image\n"
        "  serve         an endpoint\n"
        "Features (--feature), with commas between [none]: "
        "The folder that is made, and the package in it.\n"
        "Project name (NAME) [vision-plain]: "
    )


def test_the_field_is_asked_before_the_domain(
    layers_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, field in (("ocr", "images"), ("vision", "images"), ("text", "texts")):
        folder = layers_root / "domains" / name
        folder.mkdir(exist_ok=True)
        manifest = folder / "layer.toml"
        rest = manifest.read_text() if manifest.exists() else 'label = "OCR"\nhelp = "letters"\n'
        manifest.write_text(f'field = "{field}"\n' + rest)
    given = ask(Catalogue(layers_root), monkeypatch, "image\n\nocr\n\n\n\n")
    assert given.values["domain"] == "ocr"
    talk = capsys.readouterr().err
    assert talk.startswith(
        "What it learns from:\n"
        "  images        vision, ocr\n"
        "  texts         text\n"
        "Field [images]:   unknown field 'image' (images, texts). Did you mean 'images'?\n"
        "Field [images]: What it learns decides"
    )
    assert "  ocr           letters\nDomain (--domain) [vision]: How" in talk
    given = ask(Catalogue(layers_root), monkeypatch, "texts\n\n\n\n")  # which has one domain
    assert given.values["domain"] == "text"
    assert "Domain" not in capsys.readouterr().err


def test_what_is_given_is_not_asked(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"domain": "text", "style": "plain", "features": ("docker",), "name": "x"}
    assert ask(catalogue, monkeypatch, "", **values).values == values


def test_a_long_name_stands_apart_from_what_it_is(
    layers_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (layers_root / "domains/text").rename(layers_root / "domains/language-model")
    ask(Catalogue(layers_root), monkeypatch, "\n\n\n\n")
    said = capsys.readouterr().err
    assert "  vision          image classification\n  language-model  text classification\n" in said


@pytest.mark.parametrize("layer", ["domains/text", "features/docker"])
def test_what_does_not_go_with_an_answer_is_not_offered(
    layer: str,
    layers_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    [other] = {"domains/text", "features/docker"} - {layer}
    manifest = layers_root / layer / "layer.toml"
    manifest.write_text(f'conflicts = ["{other}"]\n{manifest.read_text()}')
    ask(Catalogue(layers_root), monkeypatch, "text\nplain\n\n\n")
    said = capsys.readouterr().err
    assert "serve         an endpoint" in said
    assert "docker" not in said


def test_what_layers_ask_for_is_asked(
    layers_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = layers_root / "styles/plain/layer.toml"
    manifest.write_text(manifest.read_text() + '\n[answers]\nhidden_size = "64"\nseed = "0"\n')
    chosen = {"domain": "text", "features": (), "name": "x", "seed": "7"}
    given = ask(Catalogue(layers_root), monkeypatch, "plain\n\x07\n128\n", **chosen)
    assert given.values == {**chosen, "style": "plain", "hidden_size": "128"}
    said = capsys.readouterr().err
    assert "What styles/plain asks for.\nHidden size (--set hidden_size=TEXT) [64]: " in said
    assert " [64]:   hidden_size holds a control" in said


def test_a_bad_answer_is_asked_again(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = "visoin\ntext\nplain\nserve\ndocker, serve\ntorch\n../x\nwork/mine\n"
    given = ask(catalogue, monkeypatch, typed)
    assert given.values["features"] == ("docker", "serve")
    assert given.values["name"] == "work/mine"
    talk = capsys.readouterr().err
    for problem in (
        "  unknown domain 'visoin' for --domain (vision, text). Did you mean 'vision'?\n",
        "  features/serve requires features/docker: add --feature docker\n",
        "  'torch' cannot be a project name",
        "  '../x' leads out of this folder",
    ):
        assert problem in talk


def test_answers_that_were_typed_make_a_project(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO("text\nplain\n\ndeep/mine\n"))
    result = create(Request(), catalogue=catalogue, ask=prompts.ask)
    assert result.plan.directory == Path("deep/mine")
    assert (tmp_path / "deep/mine/src/mine/data.py").is_file()


def test_the_end_of_input_is_an_interrupt(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        ask(catalogue, monkeypatch, "vision\n")


@pytest.mark.parametrize(
    ("stdin", "stderr", "ci", "no_input", "expected"),
    [
        (True, True, None, False, True),
        (True, True, "", False, True),
        (True, True, "1", False, False),
        (True, True, None, True, False),
        (False, True, None, False, False),
        (True, False, None, False, False),
    ],
)
def test_when_somebody_is_there(
    monkeypatch: pytest.MonkeyPatch,
    stdin: bool,
    stderr: bool,
    ci: str | None,
    no_input: bool,
    expected: bool,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal() if stdin else io.StringIO())
    monkeypatch.setattr(sys, "stderr", Terminal() if stderr else io.StringIO())
    monkeypatch.delenv("CI", raising=False)
    if ci is not None:
        monkeypatch.setenv("CI", ci)
    assert prompts.may_ask(no_input=no_input) is expected


@pytest.fixture
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
def test_termination_is_an_interrupt_unless_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    as_keyboard_interrupt()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
