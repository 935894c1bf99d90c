"""Small files of a user's own, as the READMEs name them."""

from __future__ import annotations

import csv
import wave
from pathlib import Path

import numpy as np
from PIL import Image


def write_own_data(domain: str, folder: Path) -> None:
    {"vision": write_images, "text": write_texts, "audio": write_sounds}[domain](folder)


def write_images(folder: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        (folder / "my_images" / name).mkdir(parents=True)
        for i in range(20):
            color = (200 * number, 10 * i, 90)
            Image.new("RGB", (160, 140), color).save(folder / "my_images" / name / f"{i}.png")
    Image.new("RGB", (160, 140), "red").save(folder / "photo.jpg")


def write_texts(folder: Path) -> None:
    with (folder / "my_texts.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for i in range(60):
            rows.writerow([f"a good day, number {i}", "good"])
            rows.writerow([f"a bad day, number {i}", "bad"])


def write_sounds(folder: Path) -> None:
    for name, pitch in {"low": 300, "high": 2000}.items():
        (folder / "my_sounds" / name).mkdir(parents=True)
        for i in range(20):
            write_tone(folder / "my_sounds" / name / f"{i}.wav", pitch + 10 * i)
    write_tone(folder / "recording.wav", 440)


def write_tone(path: Path, pitch: float, rate: int = 16_000) -> None:
    time = np.arange(rate) / rate
    samples = (np.sin(2 * np.pi * pitch * time) * 20_000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
