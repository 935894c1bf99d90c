"""A small data set that needs no download: what people do, the same every day, but not at one time.

Who it is tells all but the times, and is said once, at the beginning. Counts of words that follow
each other do not reach that far.
"""

import random

import pandas as pd

NAMES = "Anna Bela Clara David Emil Frida Gustav Hanna Ivan Julia Karl Lena"
HABITS = {
    "wakes up in": "Bern Cairo Delhi Lima Lagos Minsk Oslo Paris Quito Rome Turin Vienna",
    "feeds the": "camel cat cow dog donkey duck goat goose hen horse pony sheep",
    "plays the": "banjo bassoon cello drum flute harp horn lute organ piano tuba violin",
    "eats some": "beans bread butter cake cheese curry figs noodles plums rice salad soup",
    "sings of": "castles dragons gold islands love pirates rain ships snow stars spring war",
}
TIMES = ["at the break of day", "when the clock strikes ten"]


def make_sample(num_texts: int = 1500, seed: int = 0) -> pd.DataFrame:
    """Write texts, no two the same: nothing is given, all is learned."""
    rng, texts = random.Random(seed), dict[str, None]()
    while len(texts) < num_texts:
        texts[" ".join(day(name, rng) for name in rng.sample(NAMES.split(), 2))] = None
    return pd.DataFrame({"input": "", "target": list(texts), "split": ""})


def day(name: str, rng: random.Random) -> str:
    place = NAMES.split().index(name)
    habits = [f"{rng.choice(TIMES)} {verb} {of.split()[place]}" for verb, of in HABITS.items()]
    return f"{name} {', '.join(habits)}."
