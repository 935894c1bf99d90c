"""A small data set that needs no download: sentences that name people, places and companies.

Any name can be that of a person, of a place or of a company, and a quarter are new in validation:
only the words around a name tell what it is.
"""

import random

import pandas as pd

SYLLABLES = ["ba", "den", "for", "gal", "kel", "lo", "mar", "nin", "or", "pas", "ri", "sen", "tu"]
PATTERNS = [
    "{person} moved from {place} to {place} {when}",
    "{when} {person} left {company} for {company}",
    "{company} has opened an office in {place} {when}",
    "the roads to {place} were closed {when} , said {person}",
    "{person} and {person} met near {place} {when}",
    "shares of {company} fell after {person} resigned {when}",
    "{when} the mayor of {place} thanked {company}",
    "{company} hired {person} {when}",
    "a train from {place} was late {when} , {person} wrote",
    "{when} {company} bought land in {place} from {person}",
]
TIMES = ["yesterday", "last week", "in May", "on Monday", "this year", "two days ago", "again"]


def make_sample(num_texts: int = 1200, seed: int = 0) -> pd.DataFrame:
    """Write sentences, their words parted by spaces, and the tags of the words."""
    rng, rows = random.Random(seed), []
    for _ in range(num_texts):
        words, tags = list[str](), list[str]()
        for part in rng.choice(PATTERNS).split():
            kind = part.strip("{}")
            if part == kind or kind == "when":
                found = [part] if part == kind else rng.choice(TIMES).split()
                tags += ["O"] * len(found)
            else:
                found = [name(rng) for _ in range(rng.choice([1, 1, 2]))]
                tags += [f"B-{kind}", f"I-{kind}"][: len(found)]
            words += found
        rows.append((" ".join([*words, "."]), [*tags, "O"], ""))
    return pd.DataFrame(rows, columns=["input", "target", "split"], dtype=object)


def name(rng: random.Random) -> str:
    return "".join(rng.choices(SYLLABLES, k=rng.choice([2, 3]))).capitalize()
