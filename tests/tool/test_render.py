"""Trees from layers: what is rendered, what is copied, what is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ptscaffold.errors import LayerError
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.layers.content import Content, Tree
from ptscaffold.render.answers import complete, select_layers
from ptscaffold.render.given import gather
from ptscaffold.render.renderer import Renderer


def render(root: Path, **answers: object) -> Tree:
    catalogue = Catalogue(root)
    flags = {"domain": "vision", "style": "plain", **answers}
    chosen = complete(gather(flags, (), None), catalogue)
    return Renderer().render(chosen, select_layers(chosen, catalogue), "1.2.3")


def put(root: Path, path: str, content: str | bytes = "") -> None:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_templates_are_rendered_and_all_else_is_copied(layers_root: Path) -> None:
    tree = render(layers_root, name="digits")
    assert list(tree) == [
        ".gitignore",
        "README.md",
        "logo.png",
        "pyproject.toml",
        "run.sh",
        "src/digits/__init__.py",
        "src/digits/data.py",
        "src/digits/flags.py",
        "src/digits/train.py",
        "tests/test_base.py",
    ]
    assert tree["run.sh"] == Content(b"#!/bin/sh\n", 0o755, "base")
    assert tree["logo.png"].data == (layers_root / "base/logo.png").read_bytes()
    assert tree["src/digits/flags.py"].data == b'BRACES = "{{ untouched }} {% raw"\n'
    assert tree["src/digits/data.py"] == Content(b"images = 1\n", 0o644, "domains/vision")
    assert tree["tests/test_base.py"].data == b"from digits import flags\n"
    assert tree["README.md"].data == (
        b"# digits\n\nImage classification (plain PyTorch)\n\n"
        b"Put images of digits in `data/`.\nOne loop.\n"
    )
    assert tomllib.loads(tree["pyproject.toml"].data.decode())["project"] == {
        "name": "digits",
        "description": "Image classification (plain PyTorch)",
        "dependencies": ["torch>=2.8", "torchvision>=0.23"],
    }


def test_the_context_holds_what_the_contract_names(layers_root: Path) -> None:
    template = (
        "{{ name }} {{ package }} {{ description }} {{ domain }} {{ style }} {{ features }} "
        "{{ domain_layer.label }} {{ style_layer.summary }} "
        "{{ layers | map(attribute='path') | list }} "
        "{{ dependencies }} {{ dev_dependencies }} {{ tool_version }}"
    )
    put(layers_root, "base/all.txt.jinja", template)
    tree = render(layers_root, name="A-b", features=("docker",), description="d")
    assert tree["all.txt"].data.decode() == (
        "A-b a_b d vision plain ['docker'] Vision  "
        "['base', 'domains/vision', 'styles/plain', 'features/docker'] "
        "['torch>=2.8', 'torchvision>=0.23'] ['pytest>=8'] 1.2.3"
    )


def test_next_steps_are_rendered(catalogue: Catalogue) -> None:
    given = gather({"domain": "text", "style": "plain", "features": ("docker",)}, (), None)
    answers = complete(given, catalogue)
    steps = Renderer().next_steps(answers, select_layers(answers, catalogue), "1")
    assert steps == ("docker build -t text-plain .",)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_an_answer_comes_out_literally(layers_root: Path, text: str) -> None:
    tree = render(layers_root, description=text)
    assert tomllib.loads(tree["pyproject.toml"].data.decode())["project"]["description"] == text
    assert tree["README.md"].data.decode().startswith("# vision-plain\n\n")


def test_caches_of_python_are_not_part_of_a_layer(layers_root: Path) -> None:
    before = render(layers_root)
    put(layers_root, "base/src/__package__/__pycache__/flags.cpython-311.pyc", b"\x00")
    put(layers_root, "base/src/__package__/flags.pyc", b"\x00")
    assert render(layers_root) == before


def test_a_declared_override_replaces_the_file(layers_root: Path) -> None:
    put(layers_root, "styles/plain/src/__package__/data.py", "ours = 1\n")
    with (layers_root / "styles/plain/layer.toml").open("a") as manifest:
        manifest.write('\n[pyproject]\nx = "y"\n')
    manifest_path = layers_root / "styles/plain/layer.toml"
    text = manifest_path.read_text()
    manifest_path.write_text('overrides = ["src/__package__/data.py"]\n' + text)
    tree = render(layers_root)
    assert tree["src/vision_plain/data.py"] == Content(b"ours = 1\n", 0o644, "styles/plain")


def test_a_file_for_one_layer_alone_is_laid_with_it_alone(layers_root: Path) -> None:
    path = layers_root / "styles/plain/layer.toml"
    put(layers_root, "styles/plain/src/__package__/data.py", "ours = 1\n")
    text = 'overrides = ["src/__package__/data.py"]\n' + path.read_text()
    for other, layer in (
        ("domains/vision", "styles/plain"),
        ("domains/text", "domains/vision"),
        ("domains/text domains/vision", "styles/plain"),
    ):
        path.write_text(f'{text}\n[only]\n"src/__package__/data.py" = "{other}"\n')
        assert render(layers_root)["src/vision_plain/data.py"].layer == layer


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("styles/plain/README.md", "", "README.md is in two layers, base and styles/plain"),
        ("styles/plain/readme.MD", "", "readme.MD is in two layers, base and styles/plain"),
        ("base/README.md", "", "base holds README.md twice"),
        ("styles/plain/tests", "", "styles/plain has a file tests, base has tests/test_base.py"),
        ("styles/plain/run.sh/x", "", "base has a file run.sh, styles/plain has run.sh/x"),
        ("styles/plain/SRC/x.py", "", "src is spelled SRC in styles/plain"),
        ("styles/plain/a:b", "", "Windows cannot hold a file named 'a:b'"),
        ("styles/plain/con.py", "", "Windows cannot hold a file named 'con.py'"),
        ("styles/plain/x..jinja", "", "Windows cannot hold a file named 'x.'"),
        ("styles/plain/.ptscaffold.toml", "", "styles/plain must not hold .ptscaffold.toml"),
        ("styles/plain/.jinja", "", "styles/plain must not hold a file named only .jinja"),
        ("base/a.txt.jinja", "ok\n{{ nam }}\n", "base/a.txt.jinja:2: 'nam' is undefined"),
        ("base/a.txt.jinja", "{{ nam | toml }}", "base/a.txt.jinja:1: 'nam' is undefined"),
        ("base/a.txt.jinja", "ok\n\n{% if %}\n", "base/a.txt.jinja:3: Expected an expression"),
        ("base/a.txt.jinja", "{{ name | tolm }}", "base/a.txt.jinja:1: No filter named 'tolm'"),
        ("base/a.txt.jinja", "\n{{ 1 / 0 }}", "base/a.txt.jinja:2: division by zero"),
        ("base/a.txt.jinja", "{% include 'b' %}", "base/a.txt.jinja:1: no loader"),
        ("base/a.txt.jinja", "{{ ''.__class__ }}", "access to attribute '__class__'"),
        ("base/a.txt.jinja", b"\xff", "base/a.txt.jinja is not UTF-8 text"),
        (
            "styles/plain/layer.toml",
            'label = "P"\nhelp = "p"\nreadme.training = "{{ oops }}"',
            "styles/plain/layer.toml [readme] training:1: 'oops' is undefined",
        ),
        (
            "styles/plain/layer.toml",
            'label = "P"\nhelp = "p"\noverrides = ["gone.py"]',
            "styles/plain overrides gone.py, which is not in both layers",
        ),
        (
            "styles/plain/layer.toml",
            'label = "P"\nhelp = "p"\nonly = {"gone.py" = "domains/vision"}',
            "styles/plain has gone.py in `only`, but no such file",
        ),
        (
            "styles/plain/layer.toml",
            'label = "P"\nhelp = "p"\nonly = {"x.py" = "../vision"}',
            "'only' has '../vision' for 'x.py', which is not the path of a layer",
        ),
    ],
)
def test_a_broken_layer_is_named_with_file_and_line(
    layers_root: Path, path: str, content: str | bytes, message: str
) -> None:
    put(layers_root, path, content)
    with pytest.raises(LayerError) as caught:
        render(layers_root)
    assert message in str(caught.value)
    assert caught.value.hint


def test_a_file_of_two_layers_is_overridden_as_the_hint_says(layers_root: Path) -> None:
    put(layers_root, "styles/plain/src/__package__/data.py.jinja", "ours = 1\n")
    with pytest.raises(LayerError) as caught:
        render(layers_root)
    line = "overrides = ['src/__package__/data.py']"
    assert caught.value.hint.endswith(f"declare it in styles/plain/layer.toml: {line}")
    manifest = layers_root / "styles/plain/layer.toml"
    manifest.write_text(f"{line}\n{manifest.read_text()}")
    for name in ("digits", "birds"):
        assert render(layers_root, name=name)[f"src/{name}/data.py"].data == b"ours = 1\n"


@pytest.mark.parametrize("target", ["/etc", "run.sh"])
def test_links_are_refused(layers_root: Path, target: str) -> None:
    (layers_root / "base/link").symlink_to(target)
    with pytest.raises(LayerError, match="base/link is a symbolic link"):
        render(layers_root)


def test_a_renderer_used_again_gives_the_same(catalogue: Catalogue) -> None:
    renderer = Renderer()
    for domain in ("vision", "text", "vision"):
        answers = complete(gather({"domain": domain, "style": "plain"}, (), None), catalogue)
        layers = select_layers(answers, catalogue)
        assert renderer.render(answers, layers, "1") == Renderer().render(answers, layers, "1")
