"""The most likely text of a sound: by what the network hears, and by what the texts are like.

Prefix beam search (Hannun et al., 2014) with an n-gram of letters (Maas et al., 2015), which learns
words and their order from the texts to train, and can spell others.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .model import BLANK, UNKNOWN

WIDTH, BRANCHES = 16, 16  # texts that are kept, letters that each may grow by
ORDER = 10  # letters that the language model knows together
WEIGHT, BONUS = 0.5, 2.0  # of the language model; and a letter in it, or short texts would win
ENTRIES = 2**22  # of its tables at most
END, NONE = "\n", -1  # of a text; where no letter is
MIX = 1_000_003  # of the letters of a text, for a number that tells it from others


@dataclass(frozen=True)
class Language:
    """Tables (rows, letters): a row stands for the letters before, one for the start of a text."""

    follow: Tensor  # the row behind a letter
    chance: Tensor  # logarithms; that of the blank is of the end
    start: int


def learn(texts: str, names: list[str]) -> Language:
    """Count what follows what; where that is little, less of what is before (Witten-Bell)."""
    counts = defaultdict[str, Counter[str]](Counter)
    for text in texts.split(END):
        line = END + text + END
        for at in range(1, len(line)):
            for start in range(max(at - ORDER + 1, 0), at + 1):
                counts[line[start:at]][line[at]] += 1
    common = sorted(counts, key=lambda part: (-counts[part].total(), len(part)))
    rows = {part: row for row, part in enumerate(common[: ENTRIES // len(names)])}
    number = {name: n for n, name in enumerate(names)} | {END: BLANK}
    follow = np.zeros((len(rows), len(names)), np.int64)
    chance = np.full((len(rows), len(names)), 1 / len(names))
    for part, row in rows.items():
        after = counts[part]
        if part:  # its end is more common, so it is there
            shorter = rows[part[1:]]
            follow[row], chance[row] = follow[shorter], chance[shorter]
        chance[row] *= len(after)
        chance[row, [number[letter] for letter in after]] += list(after.values())
        chance[row] /= len(after) + after.total()
        for letter in after:
            follow[row, number[letter]] = rows.get(part + letter, follow[row, number[letter]])
    return Language(torch.from_numpy(follow), torch.from_numpy(chance).log().float(), rows[END])


def search(logits: Tensor, language: Language) -> Tensor:
    """Turn logits (B, C, T) into letters (B, T), each where it begins, NONE elsewhere."""
    heard = logits.detach().as_subclass(Tensor).float().log_softmax(dim=1)
    size, device = (len(heard), WIDTH), heard.device
    follow, chance = language.follow.to(device), WEIGHT * (language.chance.to(device) + BONUS)
    branches, own = min(BRANCHES, heard.shape[1] - UNKNOWN), torch.arange(WIDTH, device=device)
    never = torch.full(size, -torch.inf, device=device)
    found = torch.full((*size, heard.shape[2]), NONE, device=device)
    # Of every text: its number, last letter and row; logarithms of what the language says, and of
    # all ways to hear it that end in a blank, or in its last letter
    text, last = -own.expand(size), torch.full(size, BLANK, device=device)
    row, said = torch.full_like(last, language.start), torch.zeros_like(never)
    blank, other = never.index_fill(1, own[:1], 0.0), never
    for step, now in enumerate(heard.unbind(dim=2)):  # (B, C)
        likely, letter = now[:, UNKNOWN:].topk(branches)
        letter = letter[:, None] + UNKNOWN  # (B, 1, branches)
        both = torch.logaddexp(blank, other)
        before = torch.where(letter == last[..., None], blank[..., None], both[..., None])
        grown, texts = before + likely[:, None], text[..., None] * MIX + letter
        same = texts[..., None] == text[:, None, None]  # as one that is there
        into, at = grown[..., None].masked_fill(~same, -torch.inf).flatten(1, 2).max(dim=1)
        grown = grown.masked_fill(same.any(dim=3), -torch.inf)
        more = said[..., None] + chance[row[..., None], letter]
        blank, other = both + now[:, :1], other + now.gather(1, last)
        later = into > torch.logaddexp(blank, other)  # its last letter is heard here, not before
        other = torch.logaddexp(other, into)
        scores = torch.logaddexp(blank, other) + said
        best = torch.cat([scores, (grown + more).flatten(1)], dim=1).topk(WIDTH).indices
        pairs = (
            (torch.where(later, at // branches, own), own[:, None]),
            (torch.where(later, last, NONE), letter),
            (text, texts),
            (last, letter),
            (row, follow[row[..., None], letter]),
            (said, more),
            (blank, never[..., None]),
            (other, grown),
        )
        came, begins, text, last, row, said, blank, other = (
            torch.cat([stays, grows.expand_as(grown).flatten(1)], dim=1).gather(1, best)
            for stays, grows in pairs
        )
        found = found.gather(1, came[..., None].expand_as(found))
        found[..., step] = begins
    scores = torch.logaddexp(blank, other) + said + chance[row, BLANK]
    return found[torch.arange(len(found)), scores.argmax(dim=1)]
