import warnings

# fastai 2.8 decorates its functions with it
warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated")
