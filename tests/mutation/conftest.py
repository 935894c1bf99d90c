"""The score of the mutation run, at the end of it."""

from __future__ import annotations

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which test caught which fault, and how many of them were caught in each project."""
    rows = []
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            properties = dict(getattr(report, "user_properties", ()))
            if "fault" in properties:
                rows.append((properties, outcome == "passed"))
    if not rows:
        return
    terminalreporter.section("faults")
    for row, caught in rows:
        by = row["caught"].replace("::", " ") if caught else "NOT CAUGHT"
        seconds = f"{row['seconds']:4.0f} s" if "seconds" in row else ""
        terminalreporter.write_line(f"{row['cell']:17} {row['fault']:44} {seconds:>6}  {by}")
    terminalreporter.section("score")
    tried = Counter(row["cell"] for row, _ in rows)
    hits = Counter(row["cell"] for row, caught in rows if caught)
    for cell, count in tried.items():
        terminalreporter.write_line(f"{cell:17} {hits[cell]}/{count}")
    terminalreporter.write_line(f"{'all':17} {hits.total()}/{tried.total()}")
