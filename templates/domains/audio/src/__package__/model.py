"""The network: a small convolutional one over log-mel spectrograms, or a pretrained one."""

import json
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .features import LogMel, SpecAugment
from .hub import fetching

# What a fine-tuned network does without: its masks come from NumPy's random numbers, and a layer
# that is left out has no gradient
PLAIN = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "layerdrop": 0.0}


@dataclass(frozen=True)
class Spec:
    """What rebuilds the network of a trained model and its inputs."""

    sample_rate: int
    seconds: float
    arch: str | None = None  # a network of timm; None: the small one
    transformer: str | None = None  # JSON of the configuration of a network of transformers
    extractor: str | None = None  # JSON of its feature extractor


def make_model(spec: Spec, num_outputs: int, weights: str | None = None) -> nn.Module:
    """Waveforms (B, samples), or features of an extractor, to logits (B, num_outputs).

    `weights`, a name or a folder, is given where training starts, and read only then.
    """
    if spec.arch is None and spec.transformer is None:
        return ConvNet(spec, num_outputs)
    kind = Spectral if spec.arch else Transformer
    with fetching("--pretrained", weights) if weights else nullcontext():
        return kind(spec, num_outputs, weights)


def conv(width_in: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


class ConvNet(nn.Module):
    """Six convolutions, then the mean and the maximum over time and frequency."""

    def __init__(self, spec: Spec, num_outputs: int) -> None:
        super().__init__()
        hop = 0.010 if spec.seconds <= 2 else 0.020  # words need more detail than long sounds
        self.log_mel, self.augment = LogMel(spec.sample_rate, hop=hop), SpecAugment()
        self.convs = nn.Sequential(
            conv(1, 16, stride=2),
            conv(16, 32),
            nn.MaxPool2d(2),
            conv(32, 64),
            nn.MaxPool2d(2),
            conv(64, 128),
            conv(128, 128),
            nn.MaxPool2d(2),
            conv(128, 128),
        )
        self.head = zeros(nn.Linear(256, num_outputs))

    def forward(self, waveforms: Tensor) -> Tensor:
        x = self.augment(self.log_mel(waveforms))  # (B, mels, frames)
        x = self.convs(x[:, None])  # (B, 128, mels/16, frames/16)
        return self.head(torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1))


class Spectral(nn.Module):
    """A network of timm that sees the spectrogram as a picture with one channel."""

    below_head = 1.0  # of the rate: spectrograms are far from the photographs that it has seen

    def __init__(self, spec: Spec, num_outputs: int, weights: str | None) -> None:
        super().__init__()
        import timm

        name = source(weights) if weights else spec.arch
        options: dict[str, Any] = {"in_chans": 1, "num_classes": num_outputs}
        self.log_mel, self.augment = LogMel(spec.sample_rate, mels=128), SpecAugment()
        self.net = timm.create_model(name, pretrained=bool(weights), **options)
        zeros(self.get_classifier())

    def get_classifier(self) -> nn.Module:
        return self.net.get_classifier()

    def forward(self, waveforms: Tensor) -> Tensor:
        x = self.augment(self.log_mel(waveforms))  # (B, 128, frames)
        return self.net(x[:, None])


class Transformer(nn.Module):
    """A network of transformers for classification, such as AST, Wav2Vec2, WavLM or Whisper."""

    def __init__(self, spec: Spec, num_outputs: int, weights: str | None) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModelForAudioClassification, logging

        logging.set_verbosity_error()  # that the head is new is no news
        config = AutoConfig.for_model(**json.loads(spec.transformer or ""))
        config.num_labels = num_outputs
        if weights:
            self.net = AutoModelForAudioClassification.from_pretrained(
                weights, config=config, ignore_mismatched_sizes=True
            )
        else:
            self.net = AutoModelForAudioClassification.from_config(config)
        *_, last = (m for m in self.get_classifier().modules() if isinstance(m, nn.Linear))
        zeros(last)
        if hasattr(self.net, "freeze_feature_encoder"):  # as its authors fine-tune it
            self.net.freeze_feature_encoder()

    def get_classifier(self) -> nn.Module:
        heads = ("projector", "classifier")
        return nn.ModuleList(getattr(self.net, name) for name in heads if hasattr(self.net, name))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.net(inputs).logits


def zeros(head: nn.Module) -> nn.Module:
    """Let a new head call every class equally likely."""
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    return head


def pretrained_spec(name: str, seconds: float) -> Spec:
    """Ask timm or transformers what a pretrained network wants."""
    with fetching("--pretrained", name):
        if is_timm(name):
            import timm

            arch = timm.create_model(source(name)).pretrained_cfg["architecture"]
            return Spec(16000, seconds, arch=arch)
        from transformers import AutoConfig, AutoFeatureExtractor

        config = AutoConfig.from_pretrained(name, num_labels=1, **PLAIN)
        extractor = AutoFeatureExtractor.from_pretrained(name)
        parts = config.to_json_string(use_diff=False), extractor.to_json_string()
        return Spec(extractor.sampling_rate, seconds, None, *parts)


def is_timm(name: str) -> bool:
    """Whether a name or a folder is timm's: names of transformers hold a slash."""
    settings = Path(name, "config.json")
    if settings.is_file():
        return "architecture" in json.loads(settings.read_text(encoding="utf-8"))
    return "/" not in name or name.startswith(("timm/", "hf-hub:"))


def source(name: str) -> str:
    if Path(name).is_dir():
        return f"local-dir:{name}"
    return f"hf-hub:{name}" if name.startswith("timm/") else name
