"""Texts, chats, prompts and answers, out of the files and tables that people have."""

import ast
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from .config import Config
from .run import fetching
from .table import TABLES, hidden, split_of

SUFFIXES = {".txt", ".text", ".md", ".rst", ".tex"}
CHATS = ("messages", "conversations", "conversation")
PROMPTS = ("prompt", "instruction", "question", "query", "input")
ANSWERS = ("completion", "response", "answer", "output", "target")
TEXTS = ("text", "content", "document", "story", "body")
ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant"}  # as ShareGPT has them
FEW = 100  # texts that are parted, so that some can validate

Chat = list[dict[str, str]]  # of role and content


def find_texts(data: Path) -> list[Path]:
    """Give the files of one text each; none, where a table holds the texts."""
    if data.is_file():
        return [] if data.suffix.lower() in TABLES else [data]
    files = [p for p in sorted(data.rglob("*")) if p.is_file() and not hidden(p.name)]
    tables = any(p.suffix.lower() in TABLES for p in files)
    return [] if tables else [p for p in files if p.suffix.lower() in SUFFIXES]


def read_texts(files: list[Path], root: Path) -> pd.DataFrame:
    rows = []
    for path in files:
        parts = path.relative_to(root).parts if path != root else ()
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise SystemExit(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
        split = next((s for name in (*parts[:1], path.stem) if (s := split_of(name))), "")
        rows.append(("", text, split))
    return pd.DataFrame(rows, columns=["input", "target", "split"], dtype=object)


def part(rows: pd.DataFrame) -> pd.DataFrame:
    """Cut a few long texts at the ends of lines, or else none would be left to validate."""
    if len(rows) >= FEW:
        return rows
    size = max(int(rows["target"].str.len().sum()) // (2 * FEW), 1000)
    parts = pd.Series([list(cut(text, size)) for text in rows["target"]])
    return rows.assign(target=parts).explode("target", ignore_index=True)


def cut(text: str, size: int) -> Iterator[str]:
    found = ""
    for line in text.splitlines(keepends=True):
        found += line
        if len(found) >= size:
            yield found
            found = ""
    if found:
        yield found


def from_columns(
    frame: pd.DataFrame, config: Config, suffixes: Collection[str], source: Path, split: str = ""
) -> pd.DataFrame:
    """Take texts, prompts and answers, or every answer of chats, and the split out of a table."""
    names = [str(name) for name in frame.columns]
    first, _, second = (config.columns or "").partition(":")
    first, second = (first, second) if first else guess(names)
    if not first or {first, second} - {*names, ""}:
        raise SystemExit(
            f"{source} has the columns {', '.join(names)}: say --columns PROMPT:ANSWER"
        )
    named = frame["split"] if "split" in names else [""] * len(frame)
    cells = zip(frame[first], frame[second] if second else frame[first], named, strict=True)
    rows = []
    for given, learned, cell in cells:
        if second or (isinstance(given, str) and first.lower() not in CHATS):
            pairs = [pair(given, learned, config)] if second else [("", given)]
        else:
            pairs = list(answers(read_chat(given, source), config))
        rows += [(*both, split or split_of(str(cell))) for both in pairs]
    return pd.DataFrame(rows, columns=["input", "target", "split"], dtype=object)


def guess(names: list[str]) -> tuple[str, str]:
    """Tell by their names which columns hold chats, prompts and answers, or texts."""
    chat, prompt, answer, text = (
        next((n for w in wanted for n in names if n.lower() == w), "")
        for wanted in (CHATS, PROMPTS, ANSWERS, TEXTS)
    )
    if chat:
        return chat, ""
    return (prompt, answer) if prompt and answer else (text, "")


def pair(prompt: Any, answer: Any, config: Config) -> tuple[str, str]:
    answer = answer if isinstance(answer, str) else ""
    if not isinstance(prompt, str) or not prompt:
        return "", answer
    return render([{"role": "user", "content": prompt}], config.pretrained), answer


def read_chat(cell: Any, source: Path) -> Chat:
    try:
        rows = ast.literal_eval(cell) if isinstance(cell, str) else list(cell)
        found = [
            (row.get("role") or row["from"], row.get("content") or row["value"]) for row in rows
        ]
        return [{"role": ROLES.get(role, role), "content": str(said)} for role, said in found]
    except (AttributeError, KeyError, SyntaxError, TypeError, ValueError):
        shown = str(cell)[:80]
        raise SystemExit(f"{source}: a chat is a list of role and content, not {shown}") from None


def answers(chat: Chat, config: Config) -> Iterator[tuple[str, str]]:
    """Give each answer with all that was said before it."""
    for number, message in enumerate(chat):
        if message["role"] == "assistant":
            yield render(chat[:number], config.pretrained), message["content"]


def render(chat: Chat, pretrained: str | None) -> str:
    """Write down what was said, and that an answer follows, as the network knows it."""
    tokenizer = pretrained_tokenizer(pretrained) if pretrained else None
    if tokenizer and tokenizer.chat_template:
        text: str = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return text
    return "".join(f"{said['role']}: {said['content']}\n" for said in chat) + "assistant: "


@cache
def pretrained_tokenizer(name: str) -> Any:
    with fetching("--pretrained", name):
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(name)
