"""Things that one says to a house, spoken by espeak-ng in many voices, for `real_sets.py`."""

from __future__ import annotations

import csv
import random
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from real_words import ACCENTS, divide_voices, record, speak, write

# A word in braces is one of the phrases of that name.
PHRASES: Mapping[str, tuple[str, ...]] = {
    "sentence": (
        "turn {switch} the {thing} in the {room}",
        "turn the {thing} in the {room} {switch}",
        "set the {room} to {number} degrees",
        "set an alarm for {time}",
        "wake me at {time} on {day}",
        "remind me to {task} {when}",
        "call {who} {when}",
        "send a message to {who} please",
        "what is the weather in {city} {when}",
        "will it rain in {city} on {day}",
        "how do i get from {city} to {city}",
        "play some {music} in the {room}",
        "start a timer for {number} minutes",
        "add {number} {food} to the shopping list",
        "open the {opening} in the {room}",
        "close the {opening} in the {room} {when}",
    ),
    "switch": ("on", "off"),
    "thing": ("light", "lamp", "heater", "fan", "radio", "television", "oven", "music"),
    "room": ("kitchen", "bedroom", "bathroom", "garden", "garage", "office", "hall", "cellar"),
    "opening": ("window", "door", "curtain", "blind"),
    "time": ("{hour} o'clock", "half past {hour}", "{part} past {hour}", "{part} to {hour}"),
    "hour": ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    "part": ("five", "ten", "a quarter", "twenty"),
    "number": ("{hour}", "eleven", "twelve", "fifteen", "{tens}", "{tens} {hour}"),
    "tens": ("twenty", "thirty", "forty", "fifty"),
    "day": ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    "when": ("today", "tomorrow", "tonight", "on {day}", "at {time}", "in {number} minutes"),
    "task": ("buy {food}", "water the plants", "feed the cat", "pay the rent", "call {who}"),
    "who": (
        "my mother",
        "my brother",
        "the doctor",
        "anna",
        "peter",
        "julia",
        "thomas",
        "the bank",
    ),
    "city": ("london", "paris", "berlin", "madrid", "rome", "vienna", "oslo", "dublin"),
    "music": ("jazz", "rock", "piano music", "quiet music", "old songs", "news"),
    "food": ("apples", "eggs", "bottles of milk", "tomatoes", "onions", "bananas", "lemons"),
}


def write_speech(folder: Path, sizes: Mapping[str, int], seed: int) -> None:
    """Write `{train,val,test}.csv` and their sounds: no voice and no sentence is in two splits."""
    voices = divide_voices(seed)
    for place, (split, number) in enumerate(sizes.items()):
        rows = [("audio", "text")]
        for index in range(number):
            rng = np.random.default_rng([seed, place, index])
            sentence = say(split, random.Random(f"{seed} {split} {index}"))
            voice = f"en-{rng.choice(ACCENTS)}+{rng.choice(voices[split])}"
            sound, rate = speak(sentence, voice, rng)
            rows.append((f"{split}/{index:05}.wav", sentence))
            write(folder / rows[-1][0], record(sound, rate, rng), rate)
        with (folder / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)


def say(split: str, rng: random.Random) -> str:
    """Make a sentence of a split; its checksum tells of which it is."""
    while True:
        sentence = "{sentence}"
        while named := re.search(r"\{(\w+)\}", sentence):
            phrase = rng.choice(PHRASES[named[1]])
            sentence = sentence[: named.start()] + phrase + sentence[named.end() :]
        if {0: "test", 1: "val"}.get(zlib.crc32(sentence.encode()) % 5, "train") == split:
            return sentence
