"""Texts, chats, prompts and answers, out of the files and tables that people have."""

import ast
import json
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_scalar

from .config import Config
from .run import fetching
from .table import files_in, split_of, tables_in

SUFFIXES = {".txt", ".text", ".md", ".rst", ".tex"}
CHATS = ("messages", "conversations", "conversation")
COLUMNS = ["input", "target", "split", "of"]  # of: what must not be in two splits
MORE = ("input", "context")  # beside an instruction
PROMPTS = ("prompt", "instruction", "question", "query", "input")
ANSWERS = ("completion", "response", "answer", "output", "target")
TEXTS = ("text", "content", "document", "story", "body")
# As ShareGPT and others have them
ROLES = {"human": "user"} | dict.fromkeys(("gpt", "chatgpt", "bot", "model", "ai"), "assistant")
FEW = 20  # texts that are parted, so that some can validate

Chat = list[dict[str, str]]  # of role and content


def find_texts(data: Path) -> list[Path]:
    """Give the files of one text each; none, where a table holds the texts."""
    if tables_in(data):
        return []
    return [p for p in files_in(data) if p == data or p.suffix.lower() in SUFFIXES]


def read_texts(files: list[Path], root: Path) -> pd.DataFrame:
    rows = []
    tops = [split_of(p.relative_to(root).parts[0]) if p.parent != root != p else "" for p in files]
    loose = [path.stem for path, top in zip(files, tops, strict=True) if not top]
    named = all(map(split_of, loose))  # or else training.md is about training
    for path, top in zip(files, tops, strict=True):
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise SystemExit(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
        rows.append(("", text, top or (split_of(path.stem) if named else ""), text))
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)


def part(rows: pd.DataFrame) -> pd.DataFrame:
    """Cut a few long texts at the ends of lines, or else none would be left to validate."""
    if len(rows) >= FEW:
        return rows
    size = max(int(rows["target"].str.len().sum()) // 200, 1000)
    parts = pd.Series([list(cut(text, size)) for text in rows["target"]])
    rows = rows.assign(target=parts).explode("target", ignore_index=True)
    return rows.assign(of=rows["target"])


def cut(text: str, size: int) -> Iterator[str]:
    found = ""
    lines = text.splitlines(keepends=True)  # one may be a whole book
    for piece in (line[n : n + size] for line in lines for n in range(0, len(line), size)):
        found += piece
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
    more = [n for n in names if n.lower() in MORE and first.lower() == "instruction"]
    rows = []
    for row in frame.to_dict("records"):
        given = "\n\n".join(filter(None, (as_text(row[name]) for name in (first, *more))))
        lists = not isinstance(row[first], str | float | None)
        if second and not lists:
            pairs = [(asked(given, config), as_text(row[second]))]
        elif lists or first.lower() in CHATS:
            chat = read_chat(row[first], source) + (
                read_chat(row[second], source) if second else []
            )
            given, pairs = str(chat[:2]), list(answers(chat, config))
        else:
            given, pairs = as_text(row[first]), [("", as_text(row[first]))]
        of = split or split_of(as_text(row.get("split")))
        rows += [(*both, of, given or both[1]) for both in pairs]
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)


def as_text(cell: Any) -> str:
    return "" if is_scalar(cell) and pd.isna(cell) else str(cell)


def guess(names: list[str]) -> tuple[str, str]:
    """Tell by their names which columns hold chats, prompts and answers, or texts."""
    chat, prompt, answer, text = (
        next((n for w in wanted for n in names if n.lower() == w), "")
        for wanted in (CHATS, PROMPTS, ANSWERS, TEXTS)
    )
    if chat:
        return chat, ""
    return (prompt, answer) if prompt and answer else (text, "")


def asked(prompt: str, config: Config) -> str:
    """Write down a prompt; what has none is learned as a text."""
    return render([{"role": "user", "content": prompt}], config.pretrained) if prompt else ""


def read_chat(cell: Any, source: Path) -> Chat:
    try:
        rows = parse(cell) if isinstance(cell, str) else list(cell)
        found = [(row["role"] if "role" in row else row["from"], said(row)) for row in rows]
        return [{"role": ROLES.get(role.lower(), role), "content": text} for role, text in found]
    except (AttributeError, KeyError, SyntaxError, TypeError, ValueError):
        shown = str(cell)[:80]
        raise SystemExit(f"{source}: a chat is a list of role and content, not {shown}") from None


def parse(cell: str) -> Any:
    """Read a list that a table holds as a text."""
    try:
        return json.loads(cell)
    except ValueError:
        return ast.literal_eval(cell)


def said(row: dict[str, Any]) -> str:
    """Give the text of a message, of its parts too; a call of a tool has none."""
    found = row["content"] if "content" in row else row["value"]
    if found is None or isinstance(found, str):
        return found or ""
    return "".join(part["text"] for part in found)


def answers(chat: Chat, config: Config) -> Iterator[tuple[str, str]]:
    """Give each answer with all that was said before it."""
    for number, message in enumerate(chat):
        if message["role"] == "assistant" and message["content"] and number:
            yield render(chat[:number], config.pretrained), message["content"]


def render(chat: Chat, pretrained: str | None) -> str:
    """Write down what was said, and that an answer follows, as the network knows it."""
    tokenizer = pretrained_tokenizer(pretrained) if pretrained else None
    if tokenizer and tokenizer.chat_template:
        options = {"tokenize": False, "add_generation_prompt": True}
        return str(tokenizer.apply_chat_template(chat, **options))
    return "".join(f"{turn['role']}: {turn['content']}\n" for turn in chat) + "assistant: "


@cache
def pretrained_tokenizer(name: str) -> Any:
    with fetching("--pretrained", name):
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(name)
