"""Entries of changelogs with the people, versions and bugs that they name, for `real_sets.py`.

A person is whoever has signed an entry of any of these changelogs, wherever the whole name stands;
versions and bugs follow from their form. A source package is in one split only.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import subprocess
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path

# With long changelogs of Debian's own, each of another source; their names tell no release.
NAMES = """
    acl attr bash bc binutils-common bsdextrautils bzip2 coreutils curl debianutils diffutils
    e2fsprogs exim4-config findutils git-man grep gzip iproute2 iptables lame less libc-bin
    libpam-modules-bin libx11-data libxcursor1 libxi6 libxinerama1 libxmu6 lsof lvm2 lynx-common
    make man-db mawk mdadm mutt nano net-tools openssh-client passwd procps psmisc rsync
    samba-common screen sed shared-mime-info sudo sysvinit-utils tar tcpdump time tzdata udev
    valgrind vim-common wget xdg-utils xkb-data xterm zsh-common
"""
PACKAGES = tuple(NAMES.split())
SIGNED = re.compile(r"^(?: -- |  \[ )(\S.*?)(?: +<| \]$)", re.MULTILINE)
MAIL = re.compile(r"<[^<>\s]+@[^<>\s]+>")
WORD = re.compile(r"\w+(?:[.,'-]\w+)*|[^\w\s]")
VERSION = re.compile(r"v?\d+(\.\w+)+(-\w+(\.\w+)*)?")
SHORTEST, LONGEST = 4, 100  # words of an entry
SHARES = {"test": 0.2, "val": 0.2, "train": 0.6}  # of the sources

People = Mapping[str, set[tuple[str, ...]]]  # the words of names by the first of them


def write_changes(
    folder: Path, changelogs: Mapping[str, str], sizes: Mapping[str, int], seed: int
) -> None:
    """Write `changes.jsonl`: tokens, tags, split. `changelogs` are texts by their package."""
    people, packages, seen = find_people(changelogs.values()), sorted(changelogs), set[str]()
    random.Random(seed).shuffle(packages)
    rows, start = [], 0
    for split, share in SHARES.items():
        end = start + round(share * len(packages))
        entries = [
            words for name in packages[start:end] for words in read_entries(changelogs[name])
        ]
        texts = {" ".join(words): words for words in entries}
        found = [words for text, words in texts.items() if text not in seen]
        seen |= texts.keys()
        random.Random(seed).shuffle(found)
        if len(found) < sizes[split]:
            raise SystemExit(f"{len(found)} entries for {split}, and {sizes[split]} are needed")
        rows += [(words, tag(words, people), split) for words in found[: sizes[split]]]
        start = end
    lines = [json.dumps({"tokens": w, "tags": t, "split": s}) for w, t, s in rows]
    (folder / "changes.jsonl").write_text("\n".join(lines), encoding="utf-8")


def read_changelogs(folder: Path) -> dict[str, str]:
    """Read Debian's changelogs out of the packages of a folder."""
    found = {}
    for path in sorted(folder.glob("*.deb")):
        name = path.name.partition("_")[0]
        command = ["dpkg-deb", "--fsys-tarfile", path]
        unpacked = subprocess.run(command, capture_output=True, check=True)
        with tarfile.open(fileobj=BytesIO(unpacked.stdout)) as tar, suppress(KeyError):
            content = tar.extractfile(f"./usr/share/doc/{name}/changelog.Debian.gz")
            if content:  # else a link to that of another package
                found[name] = gzip.decompress(content.read()).decode(errors="replace")
    return found


def read_entries(changelog: str) -> list[list[str]]:
    """Give the words of every item, without addresses of mail."""
    found = []
    for block in re.split(r"\n(?=  \* )", changelog):
        item = re.split(r"\n\s*\n|\n -- |\n  \[ ", block)[0] if block.startswith("  * ") else ""
        words = WORD.findall(MAIL.sub("", item[4:]))
        if SHORTEST <= len(words) <= LONGEST:
            found.append(words)
    return found


def find_people(changelogs: Iterable[str]) -> People:
    """Give who has signed; a name of one word could be any word, and a team is no person."""
    found = defaultdict[str, set[tuple[str, ...]]](set)
    for changelog in changelogs:
        for name in SIGNED.findall(changelog):
            words = tuple(WORD.findall(name))
            if len(words) > 1 and not re.search(r"[&/,()]|[Tt]eam|Debian|Maintainers", name):
                found[words[0]].add(words)
    return found


def tag(words: list[str], people: People) -> list[str]:
    tags, at = ["O"] * len(words), 0
    while at < len(words):
        names = [n for n in people.get(words[at], ()) if tuple(words[at : at + len(n)]) == n]
        number = words[at] == "#" and words[at + 1 : at + 2] and words[at + 1].isdecimal()
        if names:
            kind, size = "person", max(map(len, names))
        elif number:
            kind, size = "bug", 2
        elif VERSION.fullmatch(words[at]):
            kind, size = "version", 1
        else:
            at += 1
            continue
        tags[at : at + size] = [f"B-{kind}", *[f"I-{kind}"] * (size - 1)]
        at += size
    return tags
