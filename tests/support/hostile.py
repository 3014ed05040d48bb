"""Values of all kinds that a script might give for any argument, and what a filter may answer."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import vapoursynth as vs

# Characters that a refusal may have: the longest ones list the folders where a model's file was looked for.
MOST_OF_MESSAGE = 600
LETTERS = 5000


class Color(Enum):
    RED = 1


class Whole(IntEnum):
    TWO = 2


class Text(str, Enum):  # noqa: UP042 - StrEnum prints as its value, which this one must not
    AUTO = "auto"


class RaisingRepr:
    def __repr__(self) -> str:
        raise KeyError("no representation")


class NoTextRepr:
    def __repr__(self) -> str:
        return None  # type: ignore[return-value]  # on purpose


class LongRepr:
    def __repr__(self) -> str:
        return "first line\nsecond\r\n\x00\ud800 third " * 500


class RaisingNumber:
    def __index__(self) -> int:
        raise ZeroDivisionError("no index")

    def __float__(self) -> float:
        raise OSError("no float")

    def __int__(self) -> int:
        raise KeyError("no int")


class Index:
    def __index__(self) -> int:
        return 2


class RaisingList(list[int]):
    def __iter__(self) -> Iterator[int]:
        raise RuntimeError("no iterator")

    def __len__(self) -> int:
        raise RuntimeError("no length")


class RaisingPath(os.PathLike[str]):
    def __fspath__(self) -> str:
        raise LookupError("no path")


class NoPath(os.PathLike[str]):
    def __fspath__(self) -> str:
        return 5  # type: ignore[return-value]  # on purpose


class RaisingAttributes:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class RaisingTruth:
    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")

    def __eq__(self, other: object) -> bool:
        raise ValueError("not comparable")

    __hash__ = None  # type: ignore[assignment]  # nor hashable


def numbers() -> dict[str, Any]:
    return {
        "0": 0,
        "1": 1,
        "2": 2,
        "-1": -1,
        "-5": -5,
        "7": 7,
        "192": 192,
        "65536": 65_536,
        "65537": 65_537,
        "2**31": 1 << 31,
        "2**63": 1 << 63,
        "2**64": 1 << 64,
        "10**30": 10**30,
        "-10**30": -(10**30),
        "10**5000": 10**LETTERS,
        "0.0": 0.0,
        "-0.0": -0.0,
        "0.5": 0.5,
        "1.5": 1.5,
        "72.0": 72.0,
        "5e-324": 5e-324,
        "1e300": 1e300,
        "nan": float("nan"),
        "inf": float("inf"),
        "-inf": float("-inf"),
        "True": True,
        "False": False,
        "complex": 1 + 2j,
        "Decimal": Decimal("1.5"),
        "Decimal nan": Decimal("sNaN"),
        "Decimal huge": Decimal("1e400"),
        "Fraction": Fraction(3, 2),
        "Fraction huge": Fraction(10**400),
        "int64": np.int64(72),
        "int64 0": np.int64(0),
        "uint8": np.uint8(200),
        "float32": np.float32(0.5),
        "float64 72": np.float64(72),
        "float16 inf": np.float16("inf"),
        "np.bool": np.bool_(True),
        "complex128": np.complex128(1),
        "timedelta64": np.timedelta64(5, "D"),
        "datetime64": np.datetime64("2020-01-01"),
        "IntEnum": Whole.TWO,
        "Index": Index(),
    }


def texts() -> dict[str, Any]:
    return {
        "text 192": "192",
        "text 2": " 2 ",
        "text 1.5": "1.5",
        "text 72.0": "72.0",
        "text nan": "nan",
        "text inf": "-inf",
        "text 1e400": "1e400",
        "text 1_0": "1_0",
        "text wide": "\uff11\uff19\uff12",  # digits of East Asian width
        "text true": "true",
        "text no": "no",
        "text 0,1": "0,1",
        "text 8x8": "8x8",
        "text commas": "," * LETTERS,
        "text digits": "9" * LETTERS,
        "bytes 192": b"192",
        "bytes 1": b"1",
        "bytes": b"\xff\xfe",
        "bytearray": bytearray(b"2"),
        "memoryview": memoryview(b"2"),
        "empty": "",
        "blank": " ",
        "auto": "auto",
        "Text.AUTO": Text.AUTO,
        "np.str_": np.str_("auto"),
        "letters": "a" * LETTERS,
        "words": "a b " * LETTERS,
        "lines": "first\nsecond\r\nthird\u2028fourth",
        "NUL": "a\0b",
        "NUL path": "/tmp/a\0b.onnx",
        "home": "~nobody-of-that-name/net.onnx",
        "NUL home": "~\0/net.onnx",
        "surrogate": "\ud800",
        "surrogate path": "\ud800/net.onnx",
        "surrogate home": "~\ud800/net.onnx",
        "long path": "/" + "a" * LETTERS + ".onnx",
        "deep path": "a/" * LETTERS + "net.onnx",
        "lines path": "a\nb/net.onnx",
        "root": "/",
        "Path": Path("nowhere"),
        "Path folder": Path("/"),
        "Path long": Path("a" * LETTERS),
        "Path NUL": Path("a\0b"),
        "PathLike": RaisingPath(),
        "NoPath": NoPath(),
    }


def objects() -> dict[str, Any]:
    held: list[Any] = []
    held.append(held)
    return {
        "None": None,
        "Ellipsis": ...,
        "list": [],
        "list 1": [1],
        "list 8 8": [8, 8],
        "list of texts": ["1", "2"],
        "list of nan": [float("nan")],
        "list of None": [None],
        "list of lists": [[1], [2]],
        "list in itself": held,
        "long list": list(range(LETTERS)),
        "tuple": (),
        "tuple 8 8": (8, 8),
        "tuple of texts": ("1", "2"),
        "tuple of huge": (10**30, 10**30),
        "tuple of bool": (True, True),
        "set": {1, 2},
        "dict": {1: 2},
        "dict of None": {None: None},
        "range": range(2),
        "endless range": range(10**12),
        "iterator": iter([0]),
        "endless iterator": itertools.count(),
        "raising iterator": (1 // 0 for _ in range(2)),
        "array": np.arange(3),
        "array 2": np.array([8, 8]),
        "array 2D": np.zeros((2, 2)),
        "array 0D": np.array(5),
        "array 0D nan": np.array(np.nan),
        "array 0D bool": np.array(True),
        "array of objects": np.array(RaisingNumber(), object),
        "array of none": np.array([]),
        "function": len,
        "lambda": lambda: None,
        "class": int,
        "module": os,
        "exception": ValueError("what"),
        "object": object(),
        "Enum": Color.RED,
        "raising repr": RaisingRepr(),
        "no text repr": NoTextRepr(),
        "long repr": LongRepr(),
        "raising number": RaisingNumber(),
        "raising list": RaisingList([1]),
        "raising attributes": RaisingAttributes(),
        "raising truth": RaisingTruth(),
        "clip": vs.core.std.BlankClip(None, 16, 16, vs.YUV420P8, length=2),
        "audio": vs.core.std.BlankAudio(length=10),
        "frame": vs.core.std.BlankClip(None, 16, 16, vs.GRAY8, length=1).get_frame(0),
        "format": vs.core.get_video_format(vs.YUV420P10),
        "format number": vs.YUV420P10,
        "format gray": vs.GRAY8,
        "core": vs.core,
    }


def values() -> dict[str, Any]:
    """Fresh ones: iterators are used up."""
    return numbers() | texts() | objects()


def answer(call: Callable[..., Any], arguments: Mapping[str, Any], kinds: type | tuple[type, ...]) -> str | None:
    """What is wrong with a filter's answer, or None: it gives what it should, or one line that is not too long."""
    try:
        made = call(**arguments)
    except vs.Error as error:
        message = str(error)
        if len(message.splitlines()) != 1 or not message.isprintable():
            return f"a refusal that is not one line: {message[:200]!r}"
        if len(message) > MOST_OF_MESSAGE:
            return f"a refusal of {len(message)} characters: {message[:200]}..."
        return None
    except Exception as error:  # the fault that is looked for
        return f"{type(error).__name__}: {str(error)[:200]}"
    return None if isinstance(made, kinds) else f"{type(made).__name__}"
