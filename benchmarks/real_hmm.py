"""Hidden Markov models of whole words and a bigram of words, what speech was recognized with.

States follow each other from left to right, as many for a word as its letters want, a Gaussian of
cepstra in each; they are found by Viterbi training from equal parts (Rabiner, 1989). Between words
there may be silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jiwer
import numpy as np
from scipy.fft import dct

CEPSTRA = 13
Examples = dict[str, tuple[list[Any], list[str]]]  # split: cepstra, texts
ROUNDS = 6  # of Viterbi training
RARE = 0.02  # of a word that never follows another, in the bigram

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


def cepstra(log_mel: Floats) -> Floats:
    """Log-mel (MELS, frames) to cepstra and their differences (frames, D), mean 0, variance 1."""
    found = dct(log_mel.T, norm="ortho")[:, :CEPSTRA]
    first = np.gradient(found, axis=0)
    every = np.hstack([found, first, np.gradient(first, axis=0)])
    return np.asarray((every - every.mean(0)) / (every.std(0) + 1e-6))


@dataclass(frozen=True)
class Words:
    """The states of each word, the first state is silence; and how often words follow another."""

    names: list[str]
    first: Ints  # state of each word
    last: Ints
    means: Floats  # (states, D)
    variances: Floats
    follows: Floats  # (words + 1, words + 1), logarithms; the last row and column: begin and end

    def emit(self, frames: Floats) -> Floats:
        """The logarithms (frames, states) of how likely frames are in states."""
        weights = 1 / self.variances
        squares = frames**2 @ weights.T - 2 * frames @ (self.means * weights).T
        constant = (self.means**2 * weights + np.log(self.variances)).sum(1)
        return np.asarray(-0.5 * (squares + constant))


def train(sounds: Sequence[Floats], texts: Sequence[str], states: float) -> Words:
    """Fit the models; `states` of a letter."""
    sentences = [text.split() for text in texts]
    names = sorted({word for words in sentences for word in words})
    sizes = np.array([max(2, round(states * len(name))) for name in names])
    last = np.cumsum(sizes)
    first = last - sizes + 1
    number = {name: n for n, name in enumerate(names)}
    rows = [[number[word] for word in words] for words in sentences]
    chains = [chain(row, first, last) for row in rows]
    paths = [c[np.arange(len(s)) * len(c) // len(s)] for s, c in zip(sounds, chains, strict=True)]
    follows = bigram(rows, len(names))
    for _ in range(ROUNDS):
        means, variances = gaussians(sounds, paths, int(last[-1]) + 1)
        words = Words(names, first, last, means, variances, follows)
        paths = [align(words.emit(s)[:, c], c) for s, c in zip(sounds, chains, strict=True)]
    return words


def chain(row: Sequence[int], first: Ints, last: Ints) -> Ints:
    """The states of a sentence, silence around every word."""
    parts = [np.r_[0, first[word] : last[word] + 1] for word in row]
    return np.concatenate([*parts, [0]])


def align(scores: Floats, states: Ints) -> Ints:
    """The best way (frames,) through states; silence between words may be left out."""
    frames, size = scores.shape
    skips = np.zeros(size, bool)
    skips[2:] = states[1:-1] == 0
    best = np.full(size, -np.inf)
    best[:2] = scores[0, :2]
    came = np.zeros((frames, size), np.int64)
    for frame in range(1, frames):
        ways = np.stack([best, np.r_[-np.inf, best[:-1]], np.r_[[-np.inf] * 2, best[:-2]]])
        ways[2, ~skips] = -np.inf
        came[frame] = ways.argmax(0)
        best = ways.max(0) + scores[frame]
    at = size - 1 if best[-1] >= best[-2] else size - 2
    path = np.empty(frames, np.int64)
    for frame in range(frames - 1, -1, -1):
        path[frame] = at
        at -= came[frame, at]
    return states[path]


def gaussians(sounds: Sequence[Floats], paths: Sequence[Ints], size: int) -> tuple[Floats, Floats]:
    frames, path = np.concatenate(sounds), np.concatenate(paths)
    counts = np.bincount(path, minlength=size)[:, None] + 1e-6
    sums, squares = (np.zeros((size, frames.shape[1])) for _ in range(2))
    np.add.at(sums, path, frames)
    np.add.at(squares, path, frames**2)
    means = sums / counts
    own = np.maximum(squares / counts - means**2, 0)
    return means, (counts * own + 10 * frames.var(0)) / (counts + 20)  # few frames: of all


def bigram(rows: Sequence[Sequence[int]], size: int) -> Floats:
    counts = np.zeros((size + 1, size + 1))
    for row in rows:
        for pair in zip([size, *row], [*row, size], strict=True):
            counts[pair] += 1
    single = (counts.sum(0) + 1) / (counts.sum() + size)
    seen = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return np.asarray(np.log((1 - RARE) * seen + RARE * single))


def recognize(words: Words, frames: Floats, weight: float) -> str:
    """The most likely words; `weight` of the bigram."""
    scores, follows = words.emit(frames), weight * words.follows
    size, states = len(words.names), scores.shape[1]
    silence = np.arange(states, states + size)  # behind each word, a state of its own
    scores = np.hstack([scores, np.repeat(scores[:, :1], size, axis=1)])
    best = np.full(states + size, -np.inf)
    best[0] = scores[0, 0]
    best[words.first] = scores[0, words.first] + follows[size, :size]
    came = np.empty((len(frames), states + size), np.int64)
    inner = np.setdiff1d(np.arange(1, states), words.first)
    own = np.arange(states + size)
    for frame in range(1, len(frames)):
        before, score = own.copy(), best.copy()
        moved = best[inner - 1] > score[inner]
        before[inner[moved]], score[inner[moved]] = inner[moved] - 1, best[inner - 1][moved]
        quiet = best[words.last] > score[silence]
        before[silence[quiet]] = words.last[quiet]
        score[silence[quiet]] = best[words.last][quiet]
        ends = np.where(best[silence] > best[words.last], silence, words.last)
        ends = np.append(ends, 0)  # from the silence at the start
        entries = best[ends][:, None] + follows[:, :size]
        chosen = entries.argmax(0)
        entered = entries[chosen, np.arange(size)]
        new = entered > score[words.first]
        before[words.first[new]] = ends[chosen[new]]
        score[words.first[new]] = entered[new]
        came[frame], best = before, score + scores[frame]
    ends = np.where(best[silence] > best[words.last], silence, words.last)
    at = int(ends[(best[ends] + follows[:size, size]).argmax()])
    starts = {int(state): name for state, name in zip(words.first, words.names, strict=True)}
    found = list[str]()
    for frame in range(len(frames) - 1, 0, -1):
        previous = int(came[frame, at])
        if at in starts and previous != at:
            found.append(starts[at])
        at = previous
    if at in starts:
        found.append(starts[at])
    return " ".join(reversed(found))


def fit_words(examples: Examples) -> Iterator[tuple[str, float, float]]:
    """Give name, and the share of words that are right in validation and test."""
    for states in (1.0, 2.0, 3.0):
        words = train(*examples["train"], states)
        for weight in (5.0, 15.0, 40.0):
            right = []
            for split in ("val", "test"):
                sounds, texts = examples[split]
                heard = [recognize(words, sound, weight) for sound in sounds]
                right.append(1 - jiwer.wer(texts, heard))
            yield (
                f"HMM of words, {states:g} states a letter, bigram x {weight:g}",
                right[0],
                right[1],
            )
