"""What a search by the feature hpo saves and finds on real data, against the defaults.

    python benchmarks/tune.py [--trials 30] [--results benchmarks/tune.md]

`tune` of a project in plain PyTorch searches with a set of `real_data.py`, `--set` and `--size`.
What it has pruned is then trained to its end, with the same settings and seed, so that the steps
saved are counted. The test split, which no search sees, judges the best settings and the defaults,
each trained with five other seeds.
`--work FOLDER` keeps everything, and goes on there; `--cache FOLDER` keeps the set.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import fmean

from projects import make_project
from real_data import call, read_accuracy
from real_sets import SETS, SIZES, prepare

SEEDS = range(1, 6)

REPORT = """# A search by the feature hpo, on real data

`python benchmarks/tune.py --set {set} --size {train}`: torch {torch}, optuna {optuna}; plain.
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
| best settings on the {size} of the test split, mean of {seeds} other seeds | {best_test:.3f} |
| defaults on them | {default_test:.3f} |
| seeds where the best settings are better | {wins} of {seeds} |
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--set", choices=SETS, default="sections")
    parser.add_argument("--size", type=int, choices=SIZES, default=500)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ptscaffold-bench-") as name:
        folder = (options.work or Path(name)).absolute()
        data = prepare(options.set, options.size, options.cache or folder / "cache").absolute()
        found = measure(folder, data, SETS[options.set].domain, options.size, options.trials)
        report = REPORT.format(**found, set=options.set, train=options.size)
    sys.stdout.write(report)
    if options.results:
        options.results.write_text(report, encoding="utf-8", newline="\n")


def measure(folder: Path, data: Path, domain: str, size: int, trials: int) -> dict[str, object]:
    import optuna

    source, place = folder / f"{domain}-plain/src", folder / "search"
    place.mkdir(parents=True, exist_ok=True)
    if not source.exists():
        make_project(folder, domain, "plain", "--feature", "hpo")

    def run(module: str, *flags: str) -> str:
        printed = call([sys.executable, "-m", f"{domain}_plain.{module}", *flags], source, place)
        if printed is None:
            raise SystemExit(1)
        return printed

    def end(name: str, *flags: str) -> list[dict[str, float]]:
        """Train, if it was not done; give the rows of all epochs."""
        if not (place / name / "metrics.jsonl").exists():
            run("train", "--data", str(data), "--run-dir", name, *flags)
        return [json.loads(row) for row in (place / name / "metrics.jsonl").open()]

    def test(name: str) -> float:
        printed = run("evaluate", "--checkpoint", f"{name}/best.pt", "--split", "test")
        return read_accuracy(printed, SIZES[size][2])

    def flags(params: Mapping[str, object]) -> list[str]:
        return [f"--{key.replace('_', '-')}={value}" for key, value in params.items()]

    run("tune", "--trials", str(trials), "--data", str(data))
    storage = f"sqlite:///{place}/runs/study/study.db"
    study = optuna.load_study(study_name="study", storage=storage)
    steps, uncut, missed = 0, 0, 0.0
    pruned = study.get_trials(states=[optuna.trial.TrialState.PRUNED])
    for trial in study.trials:
        rows = again = end(trial.user_attrs["folder"])
        if trial in pruned:
            again = end(f"runs/uncut/{trial.number}", *flags(trial.params))
            missed = max(missed, *(row["val/accuracy"] for row in again))
        steps, uncut = steps + int(rows[-1]["step"]), uncut + int(again[-1]["step"])
    defaults = end("runs/defaults")
    pairs = []
    for seed in SEEDS:
        for name, chosen in {"best": flags(study.best_params), "default": []}.items():
            end(f"runs/{name}-{seed}", *chosen, "--seed", str(seed))
        pairs.append((test(f"runs/best-{seed}"), test(f"runs/default-{seed}")))
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
        "size": SIZES[size][2],
        "seeds": len(pairs),
        "best_test": fmean(best for best, _ in pairs),
        "default_test": fmean(default for _, default in pairs),
        "wins": sum(best > default for best, default in pairs),
    }


if __name__ == "__main__":
    main()
