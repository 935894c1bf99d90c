"""What a search by the feature hpo saves and finds on real data, against the defaults.

    python benchmarks/tune.py [--trials 30] [--results benchmarks/tune.md]

`tune` of a text project in plain PyTorch searches with the set sections-500 of `real_data.py`. What
it has pruned is then trained to its end, with the same settings and seed, so that the steps saved
are counted. The test split, which no search sees, judges the best trial and the defaults.
`--work FOLDER` keeps everything, and goes on there; `--cache FOLDER` keeps the set.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from projects import make_project
from real_data import call, read_accuracy
from real_sets import SIZES, prepare

REPORT = """# A search by the feature hpo, on real data

`python benchmarks/tune.py`: torch {torch}, optuna {optuna}; the set sections-500, plain PyTorch.
One search of {trials} trials.

| | |
|---|---|
| trials pruned | {pruned} of {trials} |
| steps of the search | {run} |
| steps without the pruner | {uncut} |
| steps saved | {saved:.0%} |
| best in validation of what was pruned, trained to its end | {missed:.3f} |
| best in validation of the search | {best:.3f}: {params} |
| defaults in validation | {default:.3f} |
| best of the search on the {size} of the test split | {best_test:.3f} |
| defaults on them | {default_test:.3f} |

An accuracy of so many texts has a standard error of some {error:.3f}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ptscaffold-bench-") as name:
        folder = (options.work or Path(name)).absolute()
        report = REPORT.format(**measure(folder, options.cache or folder / "cache", options.trials))
    sys.stdout.write(report)
    if options.results:
        options.results.write_text(report, encoding="utf-8", newline="\n")


def measure(folder: Path, cache: Path, trials: int) -> dict[str, object]:
    import optuna

    source, place = folder / "text-plain/src", folder / "search"
    if not source.exists():
        make_project(folder, "text", "plain", "--feature", "hpo")
    place.mkdir(exist_ok=True)
    data = ["--data", str(prepare("sections", 500, cache).absolute())]

    def run(module: str, *flags: str) -> str:
        printed = call([sys.executable, "-m", f"text_plain.{module}", *flags], source, place)
        if printed is None:
            raise SystemExit(1)
        return printed

    def end(name: str, *flags: str) -> list[dict[str, float]]:
        """Train, if it was not done; give the rows of all epochs."""
        if not (place / name / "metrics.jsonl").exists():
            run("train", *data, "--run-dir", name, *flags)
        return [json.loads(row) for row in (place / name / "metrics.jsonl").open()]

    def test(name: str) -> float:
        printed = run("evaluate", "--checkpoint", f"{name}/best.pt", "--split", "test")
        return read_accuracy(printed, SIZES[500][2])

    run("tune", "--trials", str(trials), *data)
    storage = f"sqlite:///{place}/runs/study/study.db"
    study = optuna.load_study(study_name="study", storage=storage)
    steps, uncut, missed = 0, 0, 0.0
    pruned = study.get_trials(states=[optuna.trial.TrialState.PRUNED])
    for trial in study.trials:
        rows = again = end(trial.user_attrs["folder"])
        if trial in pruned:
            drawn = [f"--{key.replace('_', '-')}={value}" for key, value in trial.params.items()]
            again = end(f"runs/uncut/{trial.number}", *drawn)
            missed = max(missed, *(row["val/accuracy"] for row in again))
        steps, uncut = steps + int(rows[-1]["step"]), uncut + int(again[-1]["step"])
    defaults, size = end("runs/defaults"), SIZES[500][2]
    accuracy = test("runs/defaults")
    return {
        "torch": version("torch"),
        "optuna": version("optuna"),
        "trials": len(study.trials),
        "pruned": len(pruned),
        "run": steps,
        "uncut": uncut,
        "saved": 1 - steps / uncut,
        "missed": missed,
        "best": study.best_value,
        "params": ", ".join(f"{key} {value:.3g}" for key, value in study.best_params.items()),
        "default": max(row["val/accuracy"] for row in defaults),
        "size": size,
        "best_test": test(study.best_trial.user_attrs["folder"]),
        "default_test": accuracy,
        "error": (accuracy * (1 - accuracy) / size) ** 0.5,
    }


if __name__ == "__main__":
    main()
