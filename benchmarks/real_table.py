"""The report of `real_data.py`."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from statistics import median
from typing import Any

STYLES = ("plain", "lightning", "fastai", "accelerate", "trainer")
MODES = ("scratch", "pretrained")
TEXTS = 0.01  # so much below the linear model counts as met

Raw = dict[str, Any]  # "linear": of each set; "runs": of each "SET STYLE MODE SEED"


def table(raw: Raw) -> tuple[str, bool]:
    """Give the report, and whether every project from scratch is as good as the linear model."""
    rows, met = [], True
    for name, linear in raw["linear"].items():
        for style in STYLES:
            found = {mode: of_seeds(raw["runs"], f"{name} {style} {mode} ") for mode in MODES}
            if not any(found.values()):
                continue
            verdict = ""
            if scratch := [each["accuracy"] for each in found["scratch"]]:
                slack = TEXTS if linear.get("domain") == "text" else 0.0
                good = median(scratch) >= linear["test"] - slack
                met = met and good
                verdict = "met" if good else "missed"
            shown = " | ".join(cells(found[mode]) for mode in MODES)
            rows.append(f"| {name} | {linear['test']:.3f} | {style} | {shown} | {verdict} |")
    linears = [
        f"| {name} | {each['name']} | {each['val']:.3f} | {each['test']:.3f} |"
        for name, each in raw["linear"].items()
    ]
    head = [
        "# Real data at default flags, against models of scikit-learn",
        "",
        f"`python benchmarks/real_data.py`: ptscaffold {version('ptscaffold')}; Python"
        f" {platform.python_version()}, {platform.system()} {platform.machine()}.",
        *sorted({f"Trained with {each['on']}." for each in raw["runs"].values()}),
        "",
        "Accuracy, of glyphs mean intersection over union, of scenes the mean average precision, of"
        " changes the F1 of spans, of speech 1 less the word error rate, of descriptions how much"
        " of 8 bits a byte is saved, of the test split, median (least to most, seeds); seconds of"
        " the command that trains, with its start."
        " No flag but `--data`, `--seed` and, where the column says so, `--pretrained`. Target:"
        f" from scratch at least as good as the linear model, of texts within {TEXTS}.",
        "",
        "| set | linear | style | from scratch | s | pretrained | s | target |",
        "|---|---|---|---|---|---|---|---|",
    ]
    tail = [
        "",
        "The linear model is the one that is best in validation:",
        "",
        "| set | features and model | validation | test |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, *tail, *linears]) + "\n", met


def of_seeds(runs: Mapping[str, Any], prefix: str) -> list[Any]:
    return [run for key, run in runs.items() if key.startswith(prefix)]


def cells(found: Sequence[Any]) -> str:
    """Give two cells: the accuracies and the median of seconds."""
    if not found:
        return " | "
    values = [each["accuracy"] for each in found]
    spread = f"({min(values):.3f} to {max(values):.3f}, {len(values)})"
    return f"{median(values):.3f} {spread} | {median(each['seconds'] for each in found):.0f}"
