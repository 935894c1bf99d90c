"""The network: a small convolutional one over log-mel spectrograms, or a pretrained one."""

import json
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .features import MELS, LogMel, SpecAugment
from .run import fetching

BLANK, UNKNOWN = 0, 1  # the outputs that say: nothing new, and what training has not seen
OUTSIDE = -(2.0**14)  # the logits of letters behind the end of a sound, the same in 16 bits
LETTERS = 512  # of a text at most
CHANNELS = 16
# Masks would come from NumPy's random numbers, and a layer that is left out has no gradient
PLAIN = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0, "layerdrop": 0.0}


@dataclass(frozen=True)
class Spec:
    """What rebuilds the network of a trained model and its inputs."""

    sample_rate: int
    seconds: float  # of the longest sound
    transformer: str = ""  # a network of transformers, its configuration as JSON
    letters: str = ""  # that it learns to write


def make_model(spec: Spec, num_outputs: int, weights: str | None = None) -> nn.Module:
    """Waveforms (B, samples) to logits (B, num_outputs, T); training starts from `weights`."""
    if not spec.transformer:
        return SpeechNet(spec, num_outputs)
    with fetching("--pretrained", weights or "."):  # a folder: no hub is asked
        return Pretrained(spec, num_outputs, weights)


def zeros(head: nn.Module) -> None:
    """Let a new head call every letter equally likely."""
    for parameter in head.parameters():
        nn.init.zeros_(parameter)


def inside(waveforms: Tensor, steps: int) -> Tensor:
    """Tell which steps (B, steps) are before the end of a sound, where the zeros begin."""
    samples = waveforms.shape[1]
    last = samples - (waveforms != 0).flip(1).int().argmax(dim=1, keepdim=True)
    return torch.arange(steps, device=waveforms.device) * samples < last * steps


def end(logits: Tensor, waveforms: Tensor) -> Tensor:
    """Let no letter stand behind the end of a sound."""
    blank = torch.full_like(logits[0, :, :1], OUTSIDE)
    blank[BLANK] = 0.0
    return torch.where(inside(waveforms, logits.shape[2])[:, None], logits, blank)


class SpeechNet(nn.Module):
    """Two convolutions over time and frequency, then separable ones over time, 25 steps a second.

    The former let a network bear another voice, as in Conformer (Gulati et al., 2020), the latter
    are those of QuartzNet (Kriman et al., 2020).
    """

    def __init__(self, spec: Spec, num_outputs: int, dim: int = 256) -> None:
        super().__init__()
        self.log_mel, self.augment = LogMel(spec.sample_rate), SpecAugment()
        layers: list[nn.Module] = []
        for a, b in ((1, CHANNELS), (CHANNELS, CHANNELS)):
            layers += [nn.Conv2d(a, b, 3, 2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.start = nn.Sequential(*layers, nn.Flatten(1, 2))
        self.project = nn.Sequential(
            nn.Conv1d(CHANNELS * MELS // 4, dim, 1, bias=False), nn.BatchNorm1d(dim)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(dim, dim, 15, padding="same", groups=dim, bias=False),
                nn.Conv1d(dim, dim, 1, bias=False),
                nn.BatchNorm1d(dim),
                nn.GELU(),
                nn.Dropout(0.1),
            )
            for _ in range(6)
        )
        self.head = nn.Conv1d(dim, num_outputs, 1)
        zeros(self.head)

    def forward(self, waveforms: Tensor) -> Tensor:
        x = self.project(self.start(self.augment(self.log_mel(waveforms))))  # (B, dim, T)
        for block in self.blocks:
            x = x + block(x)
        return end(self.head(x), waveforms)


class Pretrained(nn.Module):
    """A network of transformers for CTC, such as Wav2Vec2, HuBERT or WavLM."""

    def __init__(self, spec: Spec, num_outputs: int, weights: str | None) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModelForCTC, logging

        logging.set_verbosity_error()  # what a checkpoint has beside the network is no news
        config = AutoConfig.for_model(**json.loads(spec.transformer))
        if weights:
            options = {"config": config, "dtype": torch.float32, "ignore_mismatched_sizes": True}
            self.net = AutoModelForCTC.from_pretrained(weights, **options)
        else:
            self.net = AutoModelForCTC.from_config(config, dtype=torch.float32)
        head = nn.Linear(self.net.lm_head.in_features, num_outputs)
        zeros(head)
        if weights:
            keep_letters(self.net.lm_head, head, spec.letters, weights)
        self.net.lm_head = head
        self.masked = getattr(config, "feat_extract_norm", "") == "layer"  # as they were trained
        if hasattr(self.net, "freeze_feature_encoder"):  # as its authors fine-tune it
            self.net.freeze_feature_encoder()

    def get_classifier(self) -> nn.Module:
        return self.net.lm_head

    def forward(self, waveforms: Tensor) -> Tensor:
        mask = inside(waveforms, waveforms.shape[1]).long() if self.masked else None
        logits = self.net(waveforms, attention_mask=mask).logits
        return end(logits.transpose(1, 2), waveforms)


def keep_letters(old: nn.Linear, new: nn.Linear, letters: str, weights: str) -> None:
    """Let a network that was fine-tuned before go on with the letters that it knows."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(weights)
    except (OSError, TypeError, ValueError):
        return  # it has learned sounds alone
    known, space = tokenizer.get_vocab(), getattr(tokenizer, "word_delimiter_token", "|")
    names = [space if c == " " else c if c in known else c.upper() for c in letters]
    rows = [tokenizer.pad_token_id, None, *(known.get(name) for name in names)]  # BLANK, UNKNOWN
    for number, row in enumerate(rows):
        if row is not None and row < old.out_features:
            new.weight.data[number] = old.weight.data[row]
            new.bias.data[number] = old.bias.data[row]


def pretrained_spec(name: str, seconds: float, letters: str) -> Spec:
    """Ask transformers for the shape of a pretrained network."""
    with fetching("--pretrained", name):
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(name, **PLAIN)
        return Spec(16000, seconds, config.to_json_string(use_diff=False), letters)
