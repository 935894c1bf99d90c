"""Runs end well where names, environment and output are not what a developer has."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training.conftest import Package, finish

# A price, which is a formula to matplotlib; a script that its font lacks; marks of Markdown and TeX
CLASSES = ("$$", "猫", "a_b^{c}")
CELLS = ["vision-plain", "vision-lightning", "vision-fastai", "vision-accelerate"]
CELLS += ["vision-trainer"]
SLOW = [pytest.param(cell, marks=pytest.mark.nightly) for cell in CELLS[1:]]
# Set in a notebook's terminal, of which the environment need not have it
KERNEL = {"MPLBACKEND": "module://no_such_package.backend_inline"}
FLAGS = ("--device", "cpu", "--dry-run", "--seed", "1732616000000", "--run-dir", "runs/odd")
FEW = ("--batch-size", "8")  # fewer than there are pictures


def write_classes(root: Path) -> Path:
    rng = random.Random(0)
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for number in range(20):
            color = tuple(rng.randrange(256) for _ in range(3))
            Image.new("RGB", (32, 32), color).save(root / name / f"{number}.png")
    return root


@pytest.mark.parametrize("package", [CELLS[0], *SLOW], indirect=True)
def test_names_and_environment_leave_pictures_as_they_are(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**KERNEL, "LC_ALL": "C", "PYTHONUTF8": "0"}.items():
        monkeypatch.setenv(name, value)
    data = write_classes(package.folder / "Bilder älter")
    process = package.start("--data", str(data), *FLAGS, *FEW)
    stdout = finish(process)
    assert "TensorBoard has no" not in stdout
    events = EventAccumulator(str(package.folder / "runs/odd")).Reload()
    assert {"predictions", "confusion_matrix"} <= set(events.Tags()["images"])
    assert (package.folder / "runs/odd/projector_config.pbtxt").exists()
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")  # a pipe of Windows
    picture = str(data / CLASSES[0] / "1.png")
    said = finish(package.python("-m", f"{package.name}.predict", picture))
    assert set(json.loads(said)["scores"]) == set(CLASSES)


@pytest.mark.nightly
@pytest.mark.parametrize("package", CELLS, indirect=True)
def test_a_gpu_s_precision_trains_on_the_cpu(package: Package) -> None:
    package.run("--device", "cpu", "--precision", "bf16", "--dry-run", "--run-dir", "runs/bf16")


@pytest.mark.nightly  # torch.compile needs a compiler of C++
@pytest.mark.parametrize("package", [*CELLS, "text-plain", "audio-plain"], indirect=True)
def test_a_compiled_network_trains_and_has_its_graph(package: Package) -> None:
    flags = ("--device", "cpu", "--compile", "--dry-run", "--run-dir", "runs/compiled")
    assert "TensorBoard has no" not in package.run(*flags)
    events = EventAccumulator(str(package.folder / "runs/compiled")).Reload()
    assert events.Tags()["graph"]


@pytest.mark.parametrize("package", [CELLS[0], *SLOW], indirect=True)
def test_a_split_without_examples_is_one_line(package: Package) -> None:
    data = write_classes(package.folder / "data/divided/train")
    data.rename(data.with_name("val"))
    write_classes(data)
    flags = ("--device", "cpu", "--dry-run", "--run-dir", "runs/divided")
    package.run("--data", str(data.parent), *flags)
    evaluate = ("-m", f"{package.name}.evaluate", "--checkpoint", "runs/divided", "--split", "test")
    process = package.python(*evaluate)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert stderr.splitlines()[-1] == "the data has no split test"
    alone = data.rename(data.parent.with_name("alone"))
    (alone / "test").mkdir()
    for folder in set(alone.iterdir()) - {alone / "test"}:
        folder.rename(alone / "test" / folder.name)
    assert "on 60 examples" in finish(package.python(*evaluate, "--data", "data/alone"))


@pytest.mark.parametrize("package", [CELLS[0], *SLOW], indirect=True)
def test_a_checkpoint_from_elsewhere_is_evaluated_here_or_refused_in_one_line(
    package: Package,
) -> None:
    package.run("--device", "cpu", "--dry-run", "--run-dir", "runs/moved")
    settings = package.folder / "runs/moved/settings.json"
    there = settings.read_text().replace('"device": "cpu"', '"device": "nothing"')
    settings.write_text(there)
    command = ("-m", f"{package.name}.evaluate", "--checkpoint", "runs/moved")
    assert "accuracy" in finish(package.python(*command))
    [checkpoint] = (package.folder / "runs/moved").glob("best.*")
    checkpoint.write_bytes(checkpoint.read_bytes()[:5_000])
    process = package.python(*command)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert stderr == f"runs/moved/{checkpoint.name} is damaged, or no checkpoint of PyTorch\n"


@pytest.mark.nightly
@pytest.mark.parametrize("package", ["vision-fastai"], indirect=True)
def test_a_checkpoint_without_its_settings_predicts_nothing_in_one_line(package: Package) -> None:
    package.run("--device", "cpu", "--dry-run", "--run-dir", "runs/x")
    (package.folder / "runs/x/settings.json").unlink()
    command = (f"{package.name}.predict", "x.png", "--checkpoint", "runs/x")
    _, stderr = (process := package.python("-m", *command)).communicate(timeout=120)
    assert process.returncode == 1
    assert stderr == "runs/x has no settings.json: it lies in the folder of the run\n"


@pytest.mark.parametrize("package", ["vision-plain", "audio-plain"], indirect=True)
def test_a_public_set_that_cannot_be_reached_is_one_line(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    name = "CIFAR10" if "vision" in package.name else "speech_commands"
    process = package.start("--device", "cpu", "--dataset", name)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert stderr.splitlines()[-1].startswith(f"--dataset {name}: ")
    assert "Traceback" not in stderr


@pytest.mark.nightly
@pytest.mark.parametrize("package", CELLS[:1], indirect=True)
def test_a_dry_run_takes_the_place_of_the_last_dry_run_alone(package: Package) -> None:
    named = ("--device", "cpu", "--dry-run", "--run-dir", "runs/dry-run")
    package.run(*named)
    kept = package.weights("runs/dry-run")
    process = package.start(*named)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "runs/dry-run holds a run" in stderr
    assert package.weights("runs/dry-run").keys() == kept.keys()
    package.run(*named[:3])
    package.run(*named[:3])


WRONG = {
    "--device nothing": "--device nothing: PyTorch finds no such device",
    "--lr -0.1": "--lr -0.1: give no number below 0",
    "--batch-size -8": "--batch-size -8: give no number below 0",
    "--run-dir a_file/run": "Not a directory: 'a_file/run'",
}


@pytest.mark.parametrize("package", [CELLS[0], *SLOW], indirect=True)
@pytest.mark.parametrize(
    "flags", [pytest.param(f, marks=[pytest.mark.nightly] * (" -" in f)) for f in WRONG]
)
def test_a_wrong_flag_is_one_line(package: Package, flags: str) -> None:
    (package.folder / "a_file").touch()
    process = package.start("--dry-run", *flags.split())
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert WRONG[flags] in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize("package", [CELLS[0], *SLOW], indirect=True)
def test_a_full_disk_is_one_line(package: Package) -> None:
    limited = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))"
    )
    module = f"runpy.run_module('{package.name}.train', run_name='__main__')"
    flags = ("--device", "cpu", "--dry-run", "--run-dir", "runs/full")
    process = package.python("-c", f"{limited}; {module}", *flags)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "cannot write to runs/full, is its disk full?" in stderr
    assert "Traceback" not in stderr


@pytest.mark.skipif(sys.platform != "linux", reason="others cannot fork")
@pytest.mark.parametrize("package", [CELLS[0], *SLOW], indirect=True)
def test_no_example_is_sent_to_loading_processes(package: Package) -> None:
    """By default Python 3.14 would, and each tensor that is sent is an open file."""
    default = "multiprocessing.context._default_context._default_context"
    limited = f"import multiprocessing, resource, runpy; {default} = multiprocessing.get_context"
    limited = f"{limited}('forkserver'); resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))"
    module = f"runpy.run_module('{package.name}.train', run_name='__main__')"
    flags = ("--device", "cpu", "--epochs", "1", "--num-workers", "1", "--image-size", "16")
    finish(package.python("-c", f"{limited}; {module}", *flags))


@pytest.mark.parametrize("package", [CELLS[0], *SLOW], indirect=True)
def test_a_log_file_is_written_line_by_line(package: Package) -> None:
    process = package.start("--device", "cpu", "--epochs", "50", "--run-dir", "runs/log")
    try:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        assert next(line for line in lines if "classes" in line)
        assert next(line for line in lines if line.startswith("epoch"))
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
