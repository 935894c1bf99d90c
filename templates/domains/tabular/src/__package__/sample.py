"""A small data set that needs no download: plants, how they stand, and what becomes of them.

Light is right or wrong by the species, water by the soil. No column says anything alone.
"""

import random
from typing import Any

import pandas as pd

LOVES_SUN = {"cactus": True, "fern": False, "ivy": False, "lavender": True, "moss": False}
LOVES_SUN |= {"rosemary": True}
HOLDS_WATER = {"clay": True, "loam": True, "gravel": False, "sand": False}
# By whether light and water are right
CLASSES = {(True, True): "thrives", (True, False): "rots or dries", (False, True): "fades"}
CLASSES |= {(False, False): "dies"}


def make_sample(num_plants: int = 3000, seed: int = 0) -> pd.DataFrame:
    """Plant them, the classes in equal shares."""
    rng, rows, targets = random.Random(seed), list[dict[str, Any]](), list[str]()
    labels = list(CLASSES.values())
    while len(rows) < num_plants:
        row = {
            "species": rng.choice(list(LOVES_SUN)),
            "light": round(rng.uniform(1, 11), 1),  # hours a day
            "soil": rng.choice(list(HOLDS_WATER)),
            "water": round(rng.uniform(20, 180)),  # ml a day
            "age": rng.choice([None, *range(1, 12)]),  # years; says nothing
        }
        light = (row["light"] > 6) == LOVES_SUN[row["species"]]
        water = (row["water"] < 100) == HOLDS_WATER[row["soil"]]
        if CLASSES[light, water] == labels[len(rows) % len(labels)]:
            rows.append(row)
            targets.append(CLASSES[light, water])
    return pd.DataFrame({"input": rows, "target": targets, "split": ""})
