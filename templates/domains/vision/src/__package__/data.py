"""Images: the generated sample, your own folders, public data sets; transforms and loaders."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import datasets as public
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor

from .config import Config
from .files import (
    DataError,
    Decoded,
    check_classes,
    class_indices,
    fetch,
    find_labeled_files,
    first_on_machine,
    is_archive,
    read_all,
    split,
)
from .loaders import Datasets, EpochBatches, Loaders, make_loader
from .runtime import Runtime
from .sample import make_sample

EXTENSIONS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
PUBLIC = ("CIFAR10", "CIFAR100", "FashionMNIST")

Pictures = list[Path] | Decoded | Tensor  # files, or uint8 (3, H, W), or uint8 (N, 3, H, W)


class Source(NamedTuple):
    images: Pictures
    labels: list[str]

    def pick(self, indices: list[int]) -> "Source":
        images, labels = self.images, [self.labels[i] for i in indices]
        if isinstance(images, Tensor):
            return Source(images[indices], labels)
        if isinstance(images, Decoded):
            return Source(images.pick(indices), labels)
        return Source([images[i] for i in indices], labels)


def make_datasets(
    config: Config, classes: Sequence[str] | None = None, state: Mapping[str, Any] | None = None
) -> Datasets:
    """Make the splits; replace this function to bring data in another form.

    Items are `(image, class index)`, the image uint8 (3, image_size, image_size).
    `classes` are those of a checkpoint, and then fix the indices.
    """
    if config.data is not None:
        splits = read_folder(config.data, config)
    elif config.dataset is not None:
        splits = read_public(config.dataset, config)
    else:
        splits = divide({"": Source(*make_sample(2000, config.image_size, config.seed))}, config)
    names = list(classes) if classes else sorted(set(splits["train"].labels))
    made = {}
    for name, (images, labels) in splits.items():
        indices = class_indices(labels, names, f"The {name} split")
        made[name] = Images(images, indices, make_transform(config, augment=name == "train"))
    return Datasets(made["train"], made["val"], made.get("test"), names)


def make_transform(config: Config, augment: bool) -> v2.Compose:
    """Random crops and flips in training, the center in evaluation; the model normalizes."""
    size = config.image_size
    if augment:
        crop = v2.RandomResizedCrop(size, scale=(0.8, 1.0))
        return v2.Compose([crop, v2.RandomHorizontalFlip()])
    return v2.Compose([v2.Resize(size), v2.CenterCrop(size)])


class Images(Dataset[tuple[Tensor, int]]):
    def __init__(self, images: Pictures, labels: list[int], transform: v2.Transform) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        if isinstance(image, Path):
            image = load_image(image)
        return self.transform(image), self.labels[index]


def load_image(path: Path) -> Tensor:
    """Read an image file as uint8 RGB (3, H, W), turned the way the camera was held."""
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
        if image.mode.startswith("I"):  # 16 bits; `convert` would clip them to 8
            image = Image.fromarray((np.asarray(image) // 256).clip(0, 255).astype(np.uint8))
        elif image.mode == "F":
            raise ValueError("floats have no known range: save it with 8 or 16 bits")
        elif "transparency" in image.info:  # Pillow warns of the direct way
            image = image.convert("RGBA")
        return pil_to_tensor(image.convert("RGB"))


def make_loaders(datasets: Datasets, config: Config, runtime: Runtime) -> Loaders:
    def loader(dataset: Any, shuffle: bool) -> Any:
        batches = EpochBatches(
            len(dataset),
            config.batch_size,
            shuffle=shuffle,
            seed=config.seed,
            accumulate=config.accumulate,
            rank=runtime.rank,
            world_size=runtime.world_size,
        )
        return make_loader(dataset, batches, config, runtime)

    test = loader(datasets.test, shuffle=False) if datasets.test is not None else None
    return Loaders(loader(datasets.train, shuffle=True), loader(datasets.val, shuffle=False), test)


def read_folder(root: Path, config: Config) -> dict[str, Source]:
    """Read `root/CLASS/*.png` or `root/{train,val,test}/CLASS/*.png`."""
    splits = {}
    for name, pairs in find_labeled_files(root, EXTENSIONS).items():
        images, keep = read_all([path for path, _ in pairs], load_image, config.strict)
        labels = [label for (_, label), good in zip(pairs, keep, strict=True) if good]
        check_classes(labels, str(root / name))
        splits[name] = Source(images, labels)
    return divide(splits, config)


def read_public(name: str, config: Config) -> dict[str, Source]:
    """Download a data set of torchvision, or an archive of class folders."""
    if is_archive(name):
        return read_folder(fetch(name, config.data_dir), config)
    if name not in PUBLIC:
        raise DataError(f"--dataset {name}: choose one of {', '.join(PUBLIC)}, or give an archive.")
    splits = {}
    for split_name, train in {"train": True, "test": False}.items():
        try:
            with first_on_machine():
                raw: Any = getattr(public, name)(config.data_dir, train=train, download=True)
        except (RuntimeError, OSError) as error:
            raise DataError(f"{name} cannot be downloaded to {config.data_dir}: {error}") from error
        pixels = torch.as_tensor(raw.data)  # CIFAR (N, H, W, 3), MNIST (N, H, W)
        gray = pixels.dim() == 3
        images = pixels[:, None].expand(-1, 3, -1, -1) if gray else pixels.permute(0, 3, 1, 2)
        splits[split_name] = Source(images, [raw.classes[int(target)] for target in raw.targets])
    return divide(splits, config)


def divide(splits: dict[str, Source], config: Config) -> dict[str, Source]:
    """Split validation examples off where there are none, and test examples off undivided data."""
    if "val" in splits:
        return splits
    whole = splits["train"] if "train" in splits else splits[""]
    parts = split(whole.labels, config.seed, test=0.0 if "train" in splits else 0.15)
    if not parts["val"]:
        raise DataError(f"{len(whole.labels)} examples are too few: each class needs two or more.")
    made = {name: source for name, source in splits.items() if name == "test"}
    return made | {name: whole.pick(indices) for name, indices in parts.items() if indices}
