import os
import warnings
from importlib.util import find_spec

# A notebook's terminal asks for a backend that may be installed in the notebook's environment alone
if os.environ.get("MPLBACKEND", "").startswith("module://") and not find_spec("matplotlib_inline"):
    os.environ["MPLBACKEND"] = "agg"

# fastai 2.8 decorates its functions with it
warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated")
