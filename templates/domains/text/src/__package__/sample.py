"""A small data set that needs no download: reviews that blame one thing and praise another.

The class is what the main clause is about, and its verdict; the other clause holds words of another
class. Only the order of the words tells which clause is which.
"""

import random

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
OPENINGS = ["", "last night ", "today ", "once again ", "on our second visit "]
ORDERS = ["although {aside}, {main}.", "{main}, although {aside}.", "{aside}, but {main}."]
CLASSES = sorted(ADJECTIVES)


def make_sample(num_texts: int, seed: int) -> tuple[list[str], list[str]]:
    """Write texts, no two the same, and their class names, the classes in equal shares."""
    rng = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < num_texts:
        label = CLASSES[len(found) % len(CLASSES)]
        found[write(label, rng)] = label
    return list(found), list(found.values())


def write(label: str, rng: random.Random) -> str:
    topic = label.partition(" ")[2]
    others = [name for name in CLASSES if not name.endswith(topic)]
    main, aside = clause(label, rng), clause(rng.choice(others), rng)
    text = rng.choice(OPENINGS) + rng.choice(ORDERS).format(main=main, aside=aside)
    return text[0].upper() + text[1:]


def clause(label: str, rng: random.Random) -> str:
    noun = rng.choice(NOUNS[label.partition(" ")[2]])
    emphasis = rng.choice(["", "very ", "really ", "quite "])
    return f"the {noun} was {emphasis}{rng.choice(ADJECTIVES[label])}"
