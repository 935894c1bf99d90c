"""The audio sample is learnable, but not by a linear model; the mel filters are librosa's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from domains.assemble import assemble
from sklearn.linear_model import RidgeClassifierCV


@pytest.fixture(scope="module")
def audio() -> Any:
    return assemble("audio_in_place", "base", "domains/audio", "styles/plain")


@pytest.fixture(scope="module")
def datasets(audio: Any) -> Any:
    return audio("data").make_datasets(audio("config").Config())


def score_linear(train: Any, val: Any, features: Any) -> float:
    """Validation accuracy of the best of some ridge classifiers on features of the waveforms."""
    linear = RidgeClassifierCV(alphas=[1e0, 1e1, 1e2, 1e3, 1e4])
    linear.fit(features(train.sounds).numpy(), train.labels)
    return float(linear.score(features(val.sounds).numpy(), val.labels))


def test_a_linear_model_of_the_waveform_stays_below(datasets: Any) -> None:
    assert score_linear(datasets.train, datasets.val, lambda waveforms: waveforms) < 0.4


def test_a_linear_model_of_the_mean_spectrum_stays_below(audio: Any, datasets: Any) -> None:
    log_mel = audio("features").LogMel(16000, 64)

    def mean_spectrum(waveforms: torch.Tensor) -> torch.Tensor:
        return torch.cat([log_mel(part).mean(dim=2) for part in waveforms.split(64)])

    assert score_linear(datasets.train, datasets.val, mean_spectrum) < 0.6


def test_the_sample_is_balanced_seeded_and_free_of_doubles(audio: Any) -> None:
    sample = audio("sample")
    sounds, labels = sample.make_sample(40, 8000, 0.5, seed=3)
    assert sounds.shape == (40, 4000)
    assert sounds.dtype == torch.float32
    assert sounds.isfinite().all()
    assert sounds.abs().max() <= 1
    assert {labels.count(name) for name in sample.CLASSES} == {5}
    again, _ = sample.make_sample(40, 8000, 0.5, seed=3)
    assert torch.equal(sounds, again)
    assert len({sound.numpy().tobytes() for sound in sounds}) == 40
    other, _ = sample.make_sample(40, 8000, 0.5, seed=4)
    assert not torch.equal(sounds, other)


@pytest.mark.parametrize(("rate", "seconds", "bands"), [(8000, 0.3, 40), (44100, 3, 128)])
def test_the_network_takes_clips_of_any_rate_and_length(
    audio: Any, rate: int, seconds: float, bands: int
) -> None:
    config = audio("config").Config(sample_rate=rate, clip_seconds=seconds, num_mels=bands)
    model = audio("model").make_model(config, 5)
    logits = model(torch.randn(2, round(rate * seconds)))
    assert torch.equal(logits, torch.zeros(2, 5)), "the head starts at zero"


def test_the_mel_filters_are_those_of_librosa(audio: Any) -> None:
    """Against what `librosa.mel_frequencies(n_mels=40)` and `librosa.filters.mel` of 0.11 give."""
    features = audio("features")
    top = features.hz_to_mel(torch.tensor(11025.0, dtype=torch.float64))
    hz = features.mel_to_hz(torch.linspace(0, float(top), 40, dtype=torch.float64))
    for index, value in {1: 85.317, 12: 1024.856, 25: 3216.731, 38: 10096.408}.items():
        assert float(hz[index]) == pytest.approx(value, abs=1e-3)
    filters = features.mel_filters(16000, 512, 64)
    heights, peaks = filters[[0, 20, 40, 63]].max(dim=1)
    assert peaks.tolist() == [1, 31, 81, 244]
    assert heights.tolist() == pytest.approx([0.014511, 0.01869, 0.007855, 0.00273], rel=1e-3)
