"""A small data set that needs no download: reviews that blame one thing and praise another.

The class is what the main clause is about, and its verdict; the other clause holds words of another
class. Only the order of the words tells which clause is which, and no two neighbours among them do.
"""

import random

import pandas as pd

NOUNS = {
    "food": ["bread", "coffee", "curry", "dessert", "fish", "pasta", "pizza", "salad", "soup"],
    "service": ["barman", "cashier", "cook", "host", "manager", "owner", "waiter", "waitress"],
}
ADJECTIVES = {
    "bad food": ["bland", "burnt", "cold", "greasy", "salty", "stale"],
    "good food": ["crisp", "delicious", "fresh", "superb", "tasty", "tender"],
    "bad service": ["absent", "careless", "clumsy", "grumpy", "rude", "slow"],
    "good service": ["attentive", "charming", "friendly", "helpful", "patient", "polite"],
}
TIMES = ["all evening", "as always", "last night", "once again", "this time", "today"]
ORDERS = ["although {aside}, {main}.", "{main}, although {aside}.", "{aside}, but {main}."]
CLASSES = sorted(ADJECTIVES)


def make_sample(num_texts: int = 3000, seed: int = 0) -> pd.DataFrame:
    """Write texts, no two the same, the classes in equal shares."""
    rng, found = random.Random(seed), dict[str, str]()
    while len(found) < num_texts:
        label = CLASSES[len(found) % len(CLASSES)]
        found[write(label, rng)] = label
    return pd.DataFrame({"input": list(found), "target": list(found.values()), "split": ""})


def write(label: str, rng: random.Random) -> str:
    others = [name for name in CLASSES if name.split()[1] != label.split()[1]]
    main, aside = clause(label, rng), clause(rng.choice(others), rng)
    text = rng.choice(ORDERS).format(main=main, aside=aside)
    return text[0].upper() + text[1:]


def clause(label: str, rng: random.Random) -> str:
    noun, adjective = rng.choice(NOUNS[label.split()[1]]), rng.choice(ADJECTIVES[label])
    return f"the {noun} was {rng.choice(['', 'very ', 'quite '])}{adjective} {rng.choice(TIMES)}"
