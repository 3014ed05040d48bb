"""Reads the data in a pickle without running it, with an interpreter for the few opcodes that a state-dict needs.

Python's unpickler calls whatever a file names, and trusts sizes that it claims. This one calls only the functions in
the caller's table; every other name is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from io import BytesIO

from vsanime.errors import VsanimeError
from vsanime.models.formats.files import show

# "module name" in a pickle: the function that its arguments are passed to as one tuple, or a value.
type Names = Mapping[str, Callable[[tuple[object, ...]], object] | object]

# A tensor takes some 20 operations, and checkpoints hold several per weight; without a limit many small operations
# could fill the memory.
_MOST_OPERATIONS = 500_000
# Integers hash to themselves modulo 2^61 - 1: larger ones could all have one hash, and a dict of them would take years.
# The only integer keys seen are counters of optimizers; memo indices have four bytes in binary pickles.
_LARGEST_KEY = 1 << 32
# Functions that a state-dict calls take seven arguments at most. A long tuple passed repeatedly costs its length each
# time.
_MOST_ARGUMENTS = 16

_IGNORED = ("PROTO", "FRAME")
_VALUES = (
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINSTRING", "SHORT_BINSTRING", "STRING"),
    *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
)
_CONSTANTS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
# Keys with a cheap hash: a tuple's can be made to take years. At most some thirty floats share one hash.
_KEYS = (str, int, float, bytes, type(None))


class _Mark:
    """The stack entry below the items of a list, tuple or dict."""


_MARK = _Mark()


def load(stream: BytesIO, names: Names, persistent: Callable[[object], object]) -> object:
    """Read one pickle and leave the stream behind it.

    Args:
        stream: stream at the pickle's first byte.
        names: what each "module name" stands for.
        persistent: returns the object of a persistent id.

    Raises:
        VsanimeError: if the pickle is damaged, or names anything that is not in the table.
    """
    machine = _Machine(names, persistent)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > _MOST_OPERATIONS:
                raise VsanimeError(f"its pickle has over {_MOST_OPERATIONS:,} operations; no state-dict has as many")
            if opcode.name == "STOP":
                break
            machine.step(opcode.name, argument)
        return machine.pop()
    except (ValueError, IndexError, KeyError, TypeError) as error:
        # Raised by genops for invalid opcodes, and by the stack operations of a damaged pickle.
        raise VsanimeError(f"its pickle is damaged: {show(str(error))}") from None


class _Machine:
    def __init__(self, names: Names, persistent: Callable[[object], object]) -> None:
        self._names = names
        self._persistent = persistent
        self._stack: list[object] = []
        self._memo: dict[int, object] = {}

    def pop(self) -> object:
        """Remove and return the topmost value."""
        value = self._stack.pop()
        if isinstance(value, _Mark):
            raise ValueError("a value is missing")
        return value

    def step(self, name: str, argument: object) -> None:
        """Execute one operation."""
        if name in _IGNORED:
            return
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            self._stack.append(tuple([self.pop() for _ in range(_TUPLES[name])][::-1]))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            place = argument if isinstance(argument, int) else len(self._memo)
            if not 0 <= place < _LARGEST_KEY:
                raise ValueError("a place in the memo beyond four bytes")
            self._memo[place] = self._stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            assert isinstance(argument, int)
            self._stack.append(self._memo[argument])
        else:
            self._build(name, argument)

    def _build(self, name: str, argument: object) -> None:
        match name:
            case "MARK":
                self._stack.append(_MARK)
            case "EMPTY_DICT":
                self._stack.append({})
            case "EMPTY_LIST":
                self._stack.append([])
            case "TUPLE":
                self._stack.append(tuple(self._marked()))
            case "LIST":
                self._stack.append(self._marked())
            case "DICT":
                items = self._marked()
                self._stack.append({})
                self._set(items)
            case "SETITEM":
                self._set([self.pop(), self.pop()][::-1])
            case "SETITEMS":
                self._set(self._marked())
            case "APPEND":
                self._extend([self.pop()])
            case "APPENDS":
                self._extend(self._marked())
            case "GLOBAL":
                self._stack.append(self._named(str(argument)))
            case "STACK_GLOBAL":
                attribute, module = self.pop(), self.pop()
                self._stack.append(self._named(_name(module, attribute)))
            case "REDUCE":
                self._reduce()
            case "BUILD":
                # The state of an OrderedDict, where torch stores versions of modules, is dropped.
                self.pop()
                if not isinstance(self._stack[-1], dict):
                    raise ValueError("state for something that has none")
            case "BINPERSID":
                self._stack.append(self._persistent(self.pop()))
            case _:
                raise VsanimeError(f"its pickle has the operation {name}, which no state-dict needs; it is refused")

    def _marked(self) -> list[object]:
        items: list[object] = []
        while not isinstance(value := self._stack.pop(), _Mark):
            items.append(value)
        return items[::-1]

    def _set(self, items: list[object]) -> None:
        table = self._stack[-1]
        if not isinstance(table, dict) or len(items) % 2:
            raise ValueError("items for something that is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, _KEYS) or (isinstance(key, int) and abs(key) >= _LARGEST_KEY):
                raise ValueError("a key that is neither a text nor a small number")
            table[key] = value

    def _extend(self, items: list[object]) -> None:
        values = self._stack[-1]
        if not isinstance(values, list):
            raise ValueError("items for something that is no list")
        values.extend(items)

    def _named(self, name: str) -> object:
        if name not in self._names:
            raise VsanimeError(
                f"its pickle asks for {show(name.replace(' ', '.'))}, which may run code and is refused; save the "
                "weights alone: torch.save(model.state_dict(), path)"
            )
        return self._names[name]

    def _reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(arguments, tuple) or not callable(function) or len(arguments) > _MOST_ARGUMENTS:
            raise ValueError("a call of something that cannot be called, or with too many arguments")
        self._stack.append(function(arguments))


def _name(module: object, attribute: object) -> str:
    if not isinstance(module, str) or not isinstance(attribute, str):
        raise ValueError("a name that is no text")
    return f"{module} {attribute}"
