"""Layers whose projects train in no time and need nothing but Python, and a stand-in for uv."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

TRAIN: Final = """\
import json, signal, sys, time
from pathlib import Path

flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
run = Path(flags.get("--run-dir", "runs/first"))
if flags.get("--resume", "auto") != "auto":
    run = Path(flags["--resume"])
run.mkdir(parents=True, exist_ok=True)
rows = run / "metrics.jsonl"
before = rows.read_text().splitlines() if "--resume" in flags and rows.exists() else []
recorded = json.loads((run / "settings.json").read_text())["config"]["epochs"] if before else 2
epochs = int(flags.get("--epochs", recorded))
(run / "settings.json").write_text(json.dumps({"config": {"epochs": epochs}}))
for epoch in range(len(before) + 1, epochs + 1):
    row = {"epoch": epoch, "val/accuracy": 0.9}
    with rows.open("a") as file:
        file.write(json.dumps(row) + "\\n")
    (run / "last.pt").touch()
    time.sleep(0.4 if "--run-dir" in flags else 0)
print("trained", *sys.argv[1:])
"""

SERVER: Final = """\
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(PAGE)
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
address = f"http://localhost:{server.server_port}/"
print(f"TensorBoard at {address} (Press CTRL+C)", file=sys.stderr, flush=True)
server.serve_forever()
""".replace("PAGE", "b'<title>TensorBoard</title>'")

README: Final = """\
# {{ name }}

```bash
uv sync
uv run python -m {{ package }}.train
uv run python -m {{ package }}.evaluate
uv run tensorboard --logdir runs
```

```bash
uv run python -m {{ package }}.train --data mine.txt
uv run python -m {{ package }}.predict \\
    mine.txt
```

```sh
sbatch never.run
```

```bash
# what else there is
uv run python -m {{ package }}.train --resume auto
uv run torchrun -m {{ package }}.train
echo "$OMP_NUM_THREADS threads, CI=$CI" && test ! -t 0

uv run pytest
uv run ruff check
uv run mypy
```
"""

LAYERS: Final[Mapping[str, str]] = {
    "base/layer.toml": 'label = "Base"\nhelp = "all"\n',
    "base/README.md.jinja": README,
    "base/src/__package__/__init__.py": "",
    "domains/texts/layer.toml": """\
label = "Texts"
help = "texts"
[test]
floor = "0.90"
prepare = "open('mine.txt', 'w').write('mine')"
""",
    "domains/texts/src/__package__/evaluate.py": "print('test loss 0.1\\naccuracy 0.95')\n",
    "domains/texts/src/__package__/predict.py": """\
import sys
print('{"input": "%s"}' % open(sys.argv[1]).read())
""",
    "styles/loop/layer.toml": 'label = "Loop"\nhelp = "a loop"\n',
    "styles/loop/src/__package__/train.py": TRAIN,
    "features/extra/layer.toml": 'label = "Extra"\nhelp = "more"\nnext-steps = ["cat extra.txt"]\n',
    "features/extra/extra.txt": "extra\n",
}

UV: Final = """\
#!/bin/sh
[ "$1" = sync ] && {{ echo synced; exit $UV_SYNC; }}
shift
case "$1" in
python) shift; PYTHONPATH=src exec {python} "$@" ;;
tensorboard) exec {python} {server} ;;
*) echo "$@" ;;
esac
"""


def write_stand_ins(folder: Path) -> tuple[Path, Path]:
    """Write the layers and a folder with the stand-in for uv; give both."""
    root, tools = folder / "layers", folder / "tools"
    for path, content in LAYERS.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    tools.mkdir()
    (tools / "server.py").write_text(SERVER)
    uv = tools / "uv"
    uv.write_text(UV.format(python=sys.executable, server=tools / "server.py"))
    uv.chmod(0o755)
    return root, tools
