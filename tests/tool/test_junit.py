"""The JUnit report of a trial, read back."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from ptscaffold.trial.children import Outcome
from ptscaffold.trial.run import Trial, Tried, junit


def test_every_cell_is_a_suite_and_every_step_a_case(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("$ train <x>\n\x1b[31mred\x00 & \ufffe done\nexit code 1\n", encoding="utf-8")
    cell = Tried(
        "text-plain+ci",
        (
            Outcome(check="train", command="train <x>", seconds=1.5),
            Outcome(
                check="train",
                command="train <x>",
                status="failed",
                reason='exit code "1"',
                seconds=0.25,
                log=log,
            ),
            Outcome(check="lint", command="ruff", status="skipped", reason="install failed"),
        ),
    )
    trial = Trial(cells=(cell, Tried("empty", ())), seconds=2.0, logs=tmp_path)
    root = ElementTree.fromstring(junit(trial))
    assert root.tag == "testsuites"
    first, second = root
    assert first.attrib == {
        "name": "text-plain+ci",
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
        "time": "1.750",
    }
    cases = [(case.get("classname"), case.get("name"), case.get("time")) for case in first]
    assert cases == [
        ("text-plain+ci", "train", "1.500"),
        ("text-plain+ci", "train 2", "0.250"),
        ("text-plain+ci", "lint", "0.000"),
    ]
    failure = first[1].find("failure")
    assert failure is not None
    assert failure.get("message") == 'exit code "1"'
    assert failure.text == ("$ train <x>\n\ufffd[31mred\ufffd & \ufffd done\nexit code 1")
    skipped = first[2].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "install failed"
    assert not list(first[0])
    assert second.get("tests") == "0"
    assert (trial.ok, trial.score) == (False, 1 / 3)
