"""The network: a small convolutional one over log-mel spectrograms, or a pretrained one."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from .config import is_timm
from .features import LogMel, SpecAugment
from .run import fetching

# Masks would come from NumPy's random numbers, and a layer that is left out has no gradient
PLAIN = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "layerdrop": 0.0}


@dataclass(frozen=True)
class Spec:
    """What rebuilds the network of a trained model and its inputs."""

    sample_rate: int
    seconds: float
    arch: str = ""  # a network of timm
    transformer: str = ""  # or one of transformers, its configuration as JSON
    extractor: str = ""  # with its feature extractor


def make_model(spec: Spec, num_outputs: int, weights: str | None = None) -> nn.Module:
    """Waveforms (B, samples) to logits (B, num_outputs); training starts from `weights`."""
    if not spec.arch and not spec.transformer:
        return ConvNet(spec, num_outputs)
    with fetching("--pretrained", weights or "."):  # a folder: no hub is asked
        return (Spectral if spec.arch else Transformer)(spec, num_outputs, weights)


def pretrained_spec(name: str, seconds: float) -> Spec:
    """Ask timm or transformers what a pretrained network wants."""
    with fetching("--pretrained", name):
        if is_timm(name):
            import timm

            arch = timm.create_model(source(name)).pretrained_cfg["architecture"]
            return Spec(16000, seconds, arch)
        from transformers import AutoConfig, AutoFeatureExtractor

        config = AutoConfig.from_pretrained(name, num_labels=1, **PLAIN)
        extractor = AutoFeatureExtractor.from_pretrained(name)
        parts = config.to_json_string(use_diff=False), extractor.to_json_string()
        return Spec(extractor.sampling_rate, seconds, "", *parts)


def source(name: str) -> str:
    """Say to timm where a network is: in a folder, on the hub, or among its own names."""
    where = "local-dir:" if Path(name).is_dir() else "hf-hub:" if name.startswith("timm/") else ""
    return where + name


def zeros(head: nn.Module) -> nn.Module:
    """Let a new head call every class equally likely."""
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    return head


class ConvNet(nn.Module):
    """Six convolutions, then the mean and the maximum over time and frequency."""

    def __init__(self, spec: Spec, num_outputs: int) -> None:
        super().__init__()
        # Words need more detail than long sounds
        hop = 0.010 if spec.seconds <= 2 else 0.020 if spec.seconds <= 5 else 0.040
        self.log_mel, self.augment = LogMel(spec.sample_rate, hop=hop), SpecAugment()
        layers: list[nn.Module] = []
        for number, (a, b) in enumerate(pairwise((1, 16, 32, 64, 128, 128, 128))):
            conv = nn.Conv2d(a, b, 3, 1 if number else 2, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(b), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if number in (1, 2, 4) else []
        self.convs, self.norm = nn.Sequential(*layers), nn.BatchNorm1d(256)  # or learning stalls
        self.head = zeros(nn.Linear(256, num_outputs))

    def forward(self, waveforms: Tensor) -> Tensor:
        x = self.convs(self.augment(self.log_mel(waveforms)))
        x = x.flatten(2)  # (B, 128, mels/16 * frames/16)
        # Not amax: compiled, in bf16, its gradient is NaN
        return self.head(self.norm(torch.cat([x.mean(dim=2), x.max(dim=2).values], dim=1)))


class Spectral(nn.Module):
    """A network of timm that sees the spectrogram as a picture with one channel."""

    below_head = 1.0  # of the rate: spectrograms are far from the photographs that it has seen

    def __init__(self, spec: Spec, num_outputs: int, weights: str | None) -> None:
        super().__init__()
        import timm

        name = source(weights) if weights else spec.arch
        self.log_mel = LogMel(spec.sample_rate, 128, hop=0.005 if spec.seconds <= 2 else 0.010)
        self.net = timm.create_model(name, bool(weights), in_chans=1, num_classes=num_outputs)
        zeros(self.get_classifier())
        if weights:  # a network that wants pictures of one size says so now
            self.eval()(torch.zeros(1, round(spec.seconds * spec.sample_rate)))
            self.train()

    def get_classifier(self) -> nn.Module:
        return self.net.get_classifier()

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.net(self.log_mel(waveforms))  # masks would cost more epochs than it has


class Transformer(nn.Module):
    """A network of transformers for classification, such as AST, Wav2Vec2, WavLM or Whisper."""

    def __init__(self, spec: Spec, num_outputs: int, weights: str | None) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModelForAudioClassification, logging

        logging.set_verbosity_error()  # that the head is new is no news
        auto = AutoModelForAudioClassification
        config = AutoConfig.for_model(**json.loads(spec.transformer) | {"num_labels": num_outputs})
        options = {"config": config, "dtype": torch.float32}
        if weights:
            self.net = auto.from_pretrained(weights, ignore_mismatched_sizes=True, **options)
        else:
            self.net = auto.from_config(**options)
        zeros([m for m in self.get_classifier().modules() if isinstance(m, nn.Linear)][-1])
        if hasattr(self.net, "freeze_feature_encoder"):  # as its authors fine-tune it
            self.net.freeze_feature_encoder()

    def get_classifier(self) -> nn.Module:
        heads = ("projector", "classifier")
        return nn.ModuleList(getattr(self.net, name) for name in heads if hasattr(self.net, name))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.net(inputs).logits
