"""Counts of bytes that follow each other, what texts were compressed with before networks.

Interpolated Kneser-Ney smoothing (Kneser and Ney, 1995; Chen and Goodman, 1999), one discount for
each length. A text begins and ends with a byte that no text has.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

EDGE = b"\0"
ORDERS = (4, 5, 6, 7)  # bytes of the longest counted
SYMBOLS = 257


@dataclass(frozen=True)
class Length:
    """What was counted of one length: bytes with those before, and these alone."""

    counts: Counter[bytes]
    totals: Counter[bytes]
    kinds: Counter[bytes]
    discount: float


def fit(texts: Sequence[str], order: int) -> list[Length]:
    """Count; the shortest first. Of all but the longest, before how many bytes they stand."""
    counts = Counter[bytes]()
    for text in texts:
        line = edged(text, order)
        counts.update(line[n : n + order] for n in range(len(line) - order + 1))
    found = []
    for _ in range(order):
        totals, kinds = Counter[bytes](), Counter[bytes]()
        for gram, count in counts.items():
            totals[gram[:-1]] += count
            kinds[gram[:-1]] += 1
        of_count = Counter(counts.values())
        discount = of_count[1] / max(of_count[1] + 2 * of_count[2], 1)
        found.append(Length(counts, totals, kinds, discount or 0.5))
        counts = Counter(gram[1:] for gram in counts)
    return found[::-1]


def edged(text: str, order: int) -> bytes:
    return EDGE * (order - 1) + text.encode() + EDGE


def bits_per_byte(lengths: Sequence[Length], texts: Sequence[str]) -> float:
    """Give the bits that a byte of the texts costs, their ends too."""
    order, bits, size = len(lengths), 0.0, 0
    for text in texts:
        line = edged(text, order)
        size += len(line) - order
        for end in range(order, len(line) + 1):
            odds = 1 / SYMBOLS
            for number, length in enumerate(lengths, 1):
                gram = line[end - number : end]
                total = length.totals.get(gram[:-1], 0)
                if not total:
                    break
                count = length.counts.get(gram, 0)
                left = length.discount * length.kinds[gram[:-1]]
                odds = (max(count - length.discount, 0) + left * odds) / total
            bits -= math.log2(odds)
    return bits / size


def fit_ngrams(texts: dict[str, list[str]]) -> list[tuple[str, float, float]]:
    """Give of each order how much of the 8 bits of a byte it saves in validation and test."""
    found = []
    for order in ORDERS:
        lengths = fit(texts["train"], order)
        val, test = (1 - bits_per_byte(lengths, texts[part]) / 8 for part in ("val", "test"))
        found.append((f"{order} bytes, Kneser-Ney", val, test))
    return found
