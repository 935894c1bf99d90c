"""A trial as JUnit XML, which CI systems show: a test suite for each cell."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from ptscaffold.errors import WriteError

if TYPE_CHECKING:
    from pathlib import Path

    from ptscaffold.perform import Outcome
    from ptscaffold.trial import Trial, Tried

__all__ = ["junit", "write_junit"]

# XML has no place for these, in whatever form.
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(trial: Trial) -> bytes:
    """The report as a file; of a failure it holds the reason and the last lines of the output."""
    root = ElementTree.Element("testsuites", name="ptscaffold test", time=f"{trial.seconds:.3f}")
    for cell in trial.cells:
        root.append(_suite(cell))
    ElementTree.indent(root)
    data: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def write_junit(trial: Trial, path: Path) -> None:
    try:
        path.write_bytes(junit(trial))
    except OSError as error:
        raise WriteError(
            f"cannot write {path}: {error.strerror}", hint="choose another file for --junit"
        ) from error


def _suite(cell: Tried) -> ElementTree.Element:
    status = Counter(outcome.status for outcome in cell.outcomes)
    suite = ElementTree.Element(
        "testsuite",
        name=_text(cell.name),
        tests=str(len(cell.outcomes)),
        failures=str(status["failed"]),
        errors="0",
        skipped=str(status["skipped"]),
        time=f"{sum(outcome.seconds for outcome in cell.outcomes):.3f}",
    )
    seen: Counter[str] = Counter()
    for outcome in cell.outcomes:
        seen[outcome.check] += 1
        nth = seen[outcome.check]
        name = outcome.check if nth == 1 else f"{outcome.check} {nth}"
        suite.append(_case(cell.name, name, outcome))
    return suite


def _case(cell: str, name: str, outcome: Outcome) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase", classname=_text(cell), name=name, time=f"{outcome.seconds:.3f}"
    )
    if outcome.status == "failed":
        failure = ElementTree.SubElement(case, "failure", message=_text(outcome.reason))
        failure.text = _text("\n".join(outcome.tail()))
    elif outcome.status == "skipped":
        ElementTree.SubElement(case, "skipped", message=_text(outcome.reason))
    return case


def _text(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
