"""Jinja for templates of strangers: nothing of the machine is in reach, and little can be spent.

Loops, calls, filters and operators pay with steps, by the size of what they handle; whatever could
grow without a loop is measured. So a template ends soon, with its text or with a SecurityError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, Final, TypeVar

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

STEPS: Final = 1_000_000  # for all templates of a project together
LONGEST: Final = 2_000_000  # characters of one value
TEXT: Final = 20_000_000  # characters that one template gives
PER_STEP: Final = 50  # characters that are handled in one step
PER_PASSAGE: Final = 16  # characters of a template that are passed in one step
CALL: Final = 4  # steps of a call
ITEM: Final = 8  # what an item of a list counts for, in characters

# Random, or slower than their input is long; and what takes the time of a codec.
_MISSING_FILTERS: Final = ("pprint", "random", "sum", "urlize", "xmlattr")
_MISSING_METHODS: Final = frozenset({"encode", "decode"})
# Filters whose result can be as long as their input times an argument.
_GROWING: Final = frozenset(
    {"batch", "center", "indent", "join", "replace", "round", "slice", "tojson", "wordwrap"}
)
_COLLECTIONS: Final = frozenset(
    {list, tuple, set, frozenset, dict, MappingProxyType}
    | {type({}.keys()), type({}.values()), type({}.items())}
)
_FIELDS: Final = re.compile(r"%[^A-Za-z%]*|\{[^{}]*")
_NESTED: Final = re.compile(r"\{[^{}]*\{")
_NUMBER: Final = re.compile(r"[0-9]+")

_Body = TypeVar("_Body", nodes.Macro, nodes.Block, nodes.CallBlock)


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of one renderer; `refill` gives it the steps for another project."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, filters: Mapping[str, Callable[..., Any]]) -> None:
        # Autoescaping is for HTML; what is rendered here is TOML, Markdown and Python.
        super().__init__(
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            autoescape=False,
            optimized=False,  # each template is rendered a few times; folding costs more
            finalize=self._shown,
        )
        setattr(self, "concat", self._joined)  # noqa: B010 (a method, says mypy)
        self.refill()
        for name in _MISSING_FILTERS:
            del self.filters[name]
        del self.globals["lipsum"]
        for name, filter_ in {**self.filters, **filters}.items():
            self.filters[name] = self._measured(name, filter_)
        # No template can spell these names in a filter; as text, to `map`, they do no harm.
        self.filters |= {"each!": self._each, "pay!": self._pay}
        self.filters |= {"concat!": self._concat, "list!": self._handle}

    def refill(self) -> None:
        self._left = STEPS

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise SecurityError(f"the templates take more than {STEPS:,} steps")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return attr not in _MISSING_METHODS and super().is_safe_attribute(obj, attr, value)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        method = getattr(__obj, "__wrapped__", __obj)
        owner = getattr(method, "__self__", None)
        if isinstance(owner, str) and method.__name__.startswith("format"):
            __self._format(owner, given)
        elif isinstance(owner, str | bytes | int):
            __self._grow(owner, given)
        __self.spend(CALL)
        __self._handle(given)
        return __self._handle(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, int) and isinstance(right, int)
        if operator == "**" and numbers and left.bit_length() * right > LONGEST:
            raise _too_long()
        if operator == "*" and not numbers:
            self._grow(*((left, [right]) if isinstance(right, int) else (right, [left])))
        if operator == "%" and isinstance(left, str):
            self._format(left, right if isinstance(right, tuple) else [right])
        self._handle([left, right])
        return self._handle(super().call_binop(context, operator, left, right))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return _Guarding(self, source, name, filename).parse()

    def _measured(self, name: str, filter_: Callable[..., Any]) -> Callable[..., Any]:
        first = 1 if hasattr(filter_, "jinja_pass_arg") else 0

        @wraps(filter_)
        def measured(*args: Any, **kwargs: Any) -> Any:
            given = (*args[first:], *kwargs.values()) if kwargs else args[first:]
            self.spend(1 + sum(map(_size, given)) // PER_STEP)
            if name in _GROWING:
                self._grow(given[0], given[1:])
            elif name == "format":
                self._format(str(given[0]), given[1:])
            result = filter_(*args, **kwargs)
            if type(result) is not str and isinstance(result, Iterator):
                result = list(self.counted(result, 1))
            return self._handle(result)

        return measured

    def _handle(self, value: Any) -> Any:
        self.spend(1 + _size(value) // PER_STEP)
        return value

    def _shown(self, value: Any) -> Any:
        # Text is counted when it is joined; all else becomes new text here, again and again.
        if type(value) is not str:
            self.spend(4 * _size(value) // PER_STEP)
        return value

    def _grow(self, value: Any, given: Iterable[Any]) -> None:
        """Pay for a result that may be as long as a value times the largest argument."""
        largest = max((abs(g) if isinstance(g, int) else _size(g) for g in given), default=0)
        self._foresee((_size(value) + 1) * (largest + 1))

    def _format(self, text: str, given: Iterable[Any]) -> None:
        """Pay for text with placeholders, which may be as wide as the numbers in it say."""
        fields = _FIELDS.findall(text)
        places = [text] if "%(" in text else fields
        widths = [int(digits[:12]) for place in places for digits in _NUMBER.findall(place)]
        if "*" in text or _NESTED.search(text):
            widths += [abs(g) for g in given if isinstance(g, int)]
        widest = max(widths, default=0) + _size(list(given))
        self._foresee(len(text) + len(fields) * widest)

    def _foresee(self, size: int) -> None:
        if size > LONGEST:
            raise _too_long()
        self.spend(size // PER_STEP)

    def _joined(self, parts: Iterable[str]) -> str:
        found = list(parts)  # as many as were paid for
        size = sum(map(len, found))
        if size > TEXT:
            raise _too_long()
        self.spend(size // PER_STEP)
        return "".join(found)

    def counted(self, values: Iterable[Any], steps: int) -> Iterator[Any]:
        for value in values:
            self.spend(steps)
            yield value

    def _each(self, values: Iterable[Any], steps: int) -> Iterator[Any]:
        return self.counted(iter(values), max(1, steps))

    def _pay(self, steps: int) -> None:
        self.spend(max(1, steps))

    def _concat(self, parts: list[Any]) -> str:
        self._handle(parts)
        return "".join(map(str, parts))


class _Guarding(Parser):
    """Puts the filters above around what loops, calls and grows."""

    def __init__(self, environment: Sandbox, source: str, name: str | None, file: str | None):
        super().__init__(environment, source, name, file)
        lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._lengths = list(map(len, lines))

    def parse_for(self) -> nodes.For:
        node = super().parse_for()
        if node.recursive:
            raise TemplateSyntaxError("a loop cannot be recursive here", node.lineno)
        node.iter = _filter(node.iter, "each!", self._price(node))
        return node

    def parse_macro(self) -> nodes.Macro:
        return self._priced(super().parse_macro())

    def parse_block(self) -> nodes.Block:
        return self._priced(super().parse_block())

    def parse_call_block(self) -> nodes.CallBlock:
        return self._priced(super().parse_call_block())

    def _priced(self, node: _Body) -> _Body:
        paid = nodes.ExprStmt(_filter(self._price(node), "pay!"), lineno=node.lineno)
        node.body.insert(0, paid)
        return node

    def _price(self, node: nodes.Node) -> nodes.Const:
        """What one passage costs: by the length of the lines, from its first to the present one."""
        passed = sum(self._lengths[node.lineno - 1 : self.stream.current.lineno])
        return nodes.Const(1 + passed // PER_PASSAGE, lineno=node.lineno)

    def parse_concat(self) -> nodes.Expr:
        node = super().parse_concat()
        if isinstance(node, nodes.Concat):
            return _filter(nodes.List(node.nodes, lineno=node.lineno), "concat!")
        return node

    def parse_list(self) -> Any:
        return _filter(super().parse_list(), "list!")

    def parse_dict(self) -> Any:
        return _filter(super().parse_dict(), "list!")

    def parse_tuple(self, simplified: bool = False, *args: Any, **kwargs: Any) -> Any:
        node = super().parse_tuple(simplified, *args, **kwargs)
        # One that is simplified is the target of an assignment.
        return _filter(node, "list!") if isinstance(node, nodes.Tuple) and not simplified else node


def _filter(value: Any, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, name, list(args), [], None, None, lineno=value.lineno)


def _size(value: Any) -> int:
    """The length of a value in characters, with everything in it; SecurityError beyond LONGEST."""
    if type(value) is str and len(value) <= LONGEST:
        return len(value)
    size = 0
    todo: list[Any] = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            size += str.__len__(item)  # of a Symbol of `export` too, which has no length
        elif isinstance(item, bytes | range):
            size += len(item)
        elif isinstance(item, int):
            size += 1 + item.bit_length() // 3
        elif isinstance(item, Namespace):
            todo.append(item._Namespace__attrs)
            size += ITEM
        elif type(item) in _COLLECTIONS:
            size += ITEM * len(item)
            if size <= LONGEST:
                todo.extend(item)
                todo.extend(item.values() if isinstance(item, Mapping) else ())
        if size > LONGEST:
            raise _too_long()
    return size


def _too_long() -> SecurityError:
    return SecurityError(f"a value is longer than {LONGEST:,} characters")
