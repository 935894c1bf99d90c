"""Whatever fails at whichever write, the disk is as it was before or as it is after."""

from __future__ import annotations

import errno
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ptscaffold.errors import DestinationError, WriteError
from ptscaffold.layers.catalogue import Catalogue
from ptscaffold.project import apply as apply_module
from ptscaffold.project.apply import apply
from ptscaffold.project.guard import deferred, stage_file
from ptscaffold.project.plan import Plan, Survey, make_plan, survey
from ptscaffold.project.trust import seal
from ptscaffold.render.answers import complete, select_layers
from ptscaffold.render.given import gather
from ptscaffold.render.renderer import Renderer

Snapshot = dict[str, bytes | None]


def snapshot(folder: Path) -> Snapshot:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.fixture
def plan_for(catalogue: Catalogue) -> Callable[..., Plan]:
    def plan_for(directory: Path, *, adopt: bool = False) -> Plan:
        given = gather({"domain": "vision", "style": "plain", "name": "digits"}, (), None)
        answers = complete(given, catalogue)
        layers = select_layers(answers, catalogue)
        return make_plan(answers, layers, directory, adopt, Renderer())

    return plan_for


@contextmanager
def failing_at(index: int, fail: Callable[[], None]) -> Iterator[None]:
    """Run `fail` in the middle of write number `index`: the file is there, its bytes are not."""
    count = 0
    seal(b"")  # the first seal of a user writes the key
    open_descriptor = os.fdopen

    def fdopen(descriptor: int, mode: str) -> object:
        nonlocal count
        count += mode == "wb"
        if count == index and mode == "wb":
            try:
                fail()
            except OSError:
                os.close(descriptor)
                raise
        return open_descriptor(descriptor, mode)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply_module.os, "fdopen", fdopen)
        yield


def disk_full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


FAULTS = {"disk full": disk_full, "Ctrl-C": interrupt, "terminated": terminate}
FILES = 11


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", ["digits", "work/deep/digits"])
def test_a_new_project_is_whole_or_absent(
    tmp_path: Path, plan_for: Callable[..., Plan], fault: str, place: str
) -> None:
    (tmp_path / "neighbor").write_text("stays")
    before = snapshot(tmp_path)
    plan = plan_for(tmp_path / place)
    assert len(plan.files) == FILES
    for index in range(1, FILES + 1):
        with failing_at(index, FAULTS[fault]), pytest.raises((WriteError, KeyboardInterrupt)):
            apply(plan, survey(plan))
        assert snapshot(tmp_path) == before, f"write {index}"
    apply(plan, survey(plan))
    assert {str(path) for path in plan.files} <= snapshot(tmp_path / place).keys()


@pytest.mark.parametrize("fault", FAULTS)
def test_an_adopted_folder_gets_all_or_nothing(
    tmp_path: Path, plan_for: Callable[..., Plan], fault: str
) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "src/digits").mkdir(parents=True)
    (tmp_path / "src/digits/model.py").write_text("mine too")
    before = snapshot(tmp_path)
    plan = plan_for(tmp_path, adopt=True)
    found = survey(plan)
    assert found.kept == ("README.md",)
    assert len(found.missing) == FILES - 1
    for index in range(1, FILES):
        with failing_at(index, FAULTS[fault]), pytest.raises((WriteError, KeyboardInterrupt)):
            apply(plan, survey(plan))
        assert snapshot(tmp_path) == before, f"write {index}"
    apply(plan, found)
    after = snapshot(tmp_path)
    assert {path: after[path] for path in before} == before
    assert survey(plan) == Survey((), tuple(sorted(found.missing)), ("README.md",))


def test_an_empty_folder_is_filled_in_place(tmp_path: Path, plan_for: Callable[..., Plan]) -> None:
    place = tmp_path / "digits"
    place.mkdir(mode=0o750)
    before = place.stat()
    plan = plan_for(place)
    apply(plan, survey(plan))
    assert (place.stat().st_ino, place.stat().st_mode) == (before.st_ino, before.st_mode)
    assert (place / "README.md").is_file()


def test_bytes_modes_and_the_umask(tmp_path: Path, plan_for: Callable[..., Plan]) -> None:
    before = os.umask(0o027)
    try:
        plan = plan_for(tmp_path / "digits")
        apply(plan, survey(plan))
    finally:
        os.umask(before)
    for path, file in plan.files.items():
        place = tmp_path / "digits" / path
        assert place.read_bytes() == file.data
        wanted = 0o750 if file.mode == 0o755 else 0o640
        assert stat.S_IMODE(place.stat().st_mode) == wanted, path
    assert stat.S_IMODE((tmp_path / "digits").stat().st_mode) == 0o750


def test_something_that_appears_meanwhile_is_not_touched(
    tmp_path: Path, plan_for: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "digits"
    plan = plan_for(place)
    found = survey(plan)

    def write_and_meet(*arguments: Any, **options: Any) -> None:
        place.mkdir(exist_ok=True)
        (place / "theirs").write_text("stays")
        stage_file(*arguments, **options)

    monkeypatch.setattr(apply_module, "stage_file", write_and_meet)
    with pytest.raises(DestinationError, match="appeared while"):
        apply(plan, found)
    assert snapshot(tmp_path) == {"digits": None, "digits/theirs": b"stays"}


def test_a_file_that_appears_in_an_adopted_folder_is_not_touched(
    tmp_path: Path, plan_for: Callable[..., Plan]
) -> None:
    plan = plan_for(tmp_path, adopt=True)
    found = survey(plan)
    (tmp_path / "run.sh").write_text("theirs")
    with pytest.raises(WriteError, match=r"run\.sh appeared while"):
        apply(plan, found)
    assert snapshot(tmp_path) == {"run.sh": b"theirs"}


@pytest.mark.skipif(os.name == "nt", reason="permissions of folders are of another kind there")
def test_a_read_only_destination(tmp_path: Path, plan_for: Callable[..., Plan]) -> None:
    """Root ignores permission bits, so as root this runs in a child that gives its rights up."""
    parent = tmp_path / "locked"
    parent.mkdir()
    plan = plan_for(parent / "digits")
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.getuid() and folder.stat().st_mode & 0o777 == 0o700:
            folder.chmod(0o711)
    parent.chmod(0o555)

    def attempt() -> int:
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        try:
            apply(plan, survey(plan))
        except WriteError as error:
            return 7 if "Permission denied" in str(error) else 8
        return 0

    child = os.fork()
    if child == 0:
        os._exit(attempt())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert list(parent.iterdir()) == []


def test_a_path_below_a_file(tmp_path: Path, plan_for: Callable[..., Plan]) -> None:
    (tmp_path / "file").write_text("stays")
    with pytest.raises(DestinationError, match="file is not a folder"):
        survey(plan_for(tmp_path / "file" / "digits"))


def test_links_in_an_adopted_folder_are_not_followed(
    tmp_path: Path, plan_for: Callable[..., Plan]
) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (inside / "run.sh").symlink_to("gone")
    plan = plan_for(inside, adopt=True)
    found = survey(plan)
    assert found.kept == ("run.sh",)
    (inside / "src").symlink_to(outside)
    with pytest.raises(DestinationError, match=r"src/.* cannot be written: src is a link"):
        survey(plan)
    with pytest.raises(WriteError):  # a link that has come since
        apply(plan, found)
    assert list(outside.iterdir()) == []


def test_line_endings_make_no_difference(tmp_path: Path, plan_for: Callable[..., Plan]) -> None:
    plan = plan_for(tmp_path, adopt=True)
    (tmp_path / ".gitignore").write_bytes(b"runs/\r\n")
    assert survey(plan).same == (".gitignore",)


def test_an_interrupt_that_comes_too_late_is_delivered_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    steps = []

    def block() -> None:
        with deferred():
            terminate()
            steps.append("went on")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert steps == ["went on"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with deferred() as check:
            os.kill(os.getpid(), signal.SIGHUP)
            check()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_can_apply_a_plan(tmp_path: Path, plan_for: Callable[..., Plan]) -> None:
    plan = plan_for(tmp_path / "digits")
    worker = threading.Thread(target=apply, args=(plan, survey(plan)))
    worker.start()
    worker.join()
    assert (tmp_path / "digits/README.md").is_file()
