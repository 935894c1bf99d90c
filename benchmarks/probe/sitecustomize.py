"""Imported by Python at its start when this folder is on PYTHONPATH: sees every optimizer step.

No project is edited for it. Settings come by the environment: with `FIRST_STEP`, a file, the time
of the first step is written there and the process ends; with `METER`, see `meter.py`.
"""

import os
import time
from pathlib import Path
from typing import Any

if "FIRST_STEP" in os.environ:
    from torch.optim.optimizer import register_optimizer_step_post_hook

    def stop(*args: Any) -> None:
        Path(os.environ["FIRST_STEP"]).write_text(repr(time.time()), encoding="utf-8")
        os._exit(0)

    register_optimizer_step_post_hook(stop)
elif "METER" in os.environ:
    import meter

    meter.start(Path(os.environ["METER"]))
