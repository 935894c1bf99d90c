"""Projects of others as docs/from-elsewhere.md speaks of them: the names of their files, empty."""

from __future__ import annotations

import subprocess
from pathlib import Path

# Of lightning-hydra-template at bddbc24b, and of cookiecutter-data-science at 0f6b163c with its
# defaults; of folders with many files alike one.
LAYOUTS = {
    "mnist": """
        .env.example .gitignore .pre-commit-config.yaml .project-root Makefile README.md
        environment.yaml pyproject.toml requirements.txt setup.py .github/workflows/test.yml
        configs/train.yaml configs/eval.yaml configs/callbacks/default.yaml configs/data/mnist.yaml
        configs/debug/fdr.yaml configs/experiment/example.yaml configs/extras/default.yaml
        configs/hparams_search/mnist_optuna.yaml configs/hydra/default.yaml configs/logger/csv.yaml
        configs/model/mnist.yaml configs/paths/default.yaml configs/trainer/ddp.yaml
        data/.gitkeep logs/.gitkeep notebooks/.gitkeep scripts/schedule.sh
        src/__init__.py src/train.py src/eval.py src/data/mnist_datamodule.py
        src/models/mnist_module.py src/models/components/simple_dense_net.py src/utils/utils.py
        tests/__init__.py tests/conftest.py tests/test_train.py
    """,
    "pets": """
        .env .gitignore LICENSE Makefile README.md pyproject.toml requirements.txt
        data/external/.gitkeep data/interim/.gitkeep data/processed/.gitkeep data/raw/.gitkeep
        docs/mkdocs.yml docs/docs/index.md models/.gitkeep notebooks/.gitkeep references/.gitkeep
        reports/figures/.gitkeep pets/__init__.py pets/config.py pets/dataset.py
        pets/features.py pets/plots.py pets/modeling/train.py pets/modeling/predict.py
    """,
    "notebooks/pets": "pets.ipynb",
}


def lay_out(folder: Path) -> None:
    """Make each of them in a folder of its own, a git repository."""
    for name, files in LAYOUTS.items():
        for file in files.split():
            path = folder / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        for command in ("init -q", "add -f .", "-c user.name=a -c user.email=a@b commit -qm 1"):
            subprocess.run(["git", *command.split()], cwd=folder / name, check=True)
