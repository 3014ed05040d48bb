"""Reads torch state-dicts from zip archives, as saved today, and from consecutive pickles, as saved before 1.6.

Neither torch nor Python's unpickler is used: see `pickles`.
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np

from vsanime.architectures.base import Imported, Wishes
from vsanime.arrays import Array
from vsanime.errors import VsanimeError
from vsanime.models.formats import pickles
from vsanime.models.formats.files import MOST_BYTES, contents, show
from vsanime.models.formats.statedict import MOST_TENSORS, WRAPPERS, bfloat16, from_arrays

_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"  # the first opcode: PROTO
_PROTOCOLS = (2, 3, 4, 5)
# Values of the first two pickles in the old format.
_LEGACY_MAGIC, _LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_DIRECTORY_ENTRY, _DIRECTORY_END = b"PK\x01\x02", b"PK\x05\x06"
_MOST_COMMENT = 22 + (1 << 16)  # end-of-directory record with the longest comment
_MOST_AXES = 8
_MOST_VALUES = MOST_BYTES // 4  # f32 weights of all tensors together
_MOST_WRAPPERS = 4  # nested dicts
# Raised by zipfile for a damaged archive.
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, OverflowError),
    *(struct.error, KeyError, IndexError),
)


@dataclass(frozen=True)
class _Form:
    """The number type of a storage, as a NumPy type code."""

    code: str
    bfloat16: bool = False


@dataclass(frozen=True)
class _Storage:
    """A flat array of numbers elsewhere in the file."""

    form: _Form
    key: str
    count: int

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.count * np.dtype(self.form.code).itemsize


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage; offset and strides count numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def recognizes(head: bytes) -> bool:
    """Return whether a file begins as a zip archive or a pickle."""
    return head.startswith(_ZIP) or (head[:1] == _PICKLE and head[1:2] in [bytes([p]) for p in _PROTOCOLS])


def read(path: Path, wishes: Wishes) -> Imported:
    """Read a state-dict, or a checkpoint that contains one.

    Args:
        path: torch file.
        wishes: settings that the user gives because the file may not.

    Raises:
        VsanimeError: if the file is damaged, names code (which is never run), or the network is unknown.
    """
    data = contents(path)
    saved, storage = _open_zip(data) if data.startswith(_ZIP) else _open_legacy(data)
    tensors, metadata = _state_dict(saved)
    if sum(math.prod(tensor.shape) for tensor in tensors.values()) > _MOST_VALUES or len(tensors) > MOST_TENSORS:
        raise VsanimeError(f"more than {_MOST_VALUES:,} weights or {MOST_TENSORS:,} tensors")
    arrays = {name: _array(name, tensor, storage) for name, tensor in tensors.items()}
    return from_arrays(arrays, metadata, wishes)


def _state_dict(saved: object) -> tuple[dict[str, _Tensor], dict[str, str]]:
    """Return the tensors by name and the texts beside them, from whatever dicts a training script wrapped them in."""
    metadata: dict[str, str] = {}
    for _ in range(_MOST_WRAPPERS):
        if not isinstance(saved, dict):
            break
        for texts in (saved, saved.get("kwargs")):
            if isinstance(texts, dict):
                metadata |= {k: v for k, v in texts.items() if isinstance(k, str) and isinstance(v, str)}
        inner = _find_inner(saved)
        if inner is None:
            tensors = {k: v for k, v in saved.items() if isinstance(k, str) and isinstance(v, _Tensor)}
            if tensors:
                return tensors, metadata
            given = ", ".join(show(key) for key in list(saved)[:6] if isinstance(key, str))
            raise VsanimeError(f"it holds no weights under a name that is known; its names are {given or 'none'}")
        saved = inner
    raise VsanimeError("it holds no state-dict; save the weights alone: torch.save(model.state_dict(), path)")


def _find_inner(saved: dict[object, object]) -> dict[object, object] | None:
    """Return the dict of a checkpoint's weights; None if the checkpoint itself holds them or nothing does."""
    inner = {key.lower(): held for key, held in saved.items() if isinstance(key, str) and isinstance(held, dict)}
    if (found := next((inner[name] for name in WRAPPERS if name in inner), None)) is not None:
        return found
    if any(isinstance(held, _Tensor) for held in saved.values()):
        return None
    # Under an unknown name: the only dict with weights at its top level; those of optimizers are nested deeper.
    full = [held for held in inner.values() if any(isinstance(one, _Tensor) for one in held.values())]
    return full[0] if len(full) == 1 else None


def _array(name: str, tensor: _Tensor, storage: Callable[[_Storage], bytes]) -> Array:
    """Return a tensor's values; bfloat16 becomes f32.

    Raises:
        VsanimeError: if the view reaches beyond its storage.
    """
    reach = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True)) + 1
    if reach > tensor.storage.count or math.prod(tensor.shape) > tensor.storage.count:
        raise VsanimeError(f"tensor {show(name)} reaches beyond its {tensor.storage.count:,} numbers")
    flat = np.frombuffer(storage(tensor.storage), tensor.storage.form.code)[tensor.offset :]
    strides = [stride * flat.itemsize for stride in tensor.strides]
    array = np.array(np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False))
    return bfloat16(array) if tensor.storage.form.bfloat16 else array


# The pickle's names


def _load(stream: BytesIO) -> object:
    return pickles.load(stream, _NAMES, _persistent)


def _persistent(key: object) -> _Storage:
    """Parse ("storage", type, key, device, count); before 1.6 a sixth entry marks a view of another storage."""
    if not isinstance(key, tuple) or len(key) not in (5, 6) or key[0] != "storage":
        raise ValueError("a reference to something that is no storage")
    form, name, count = key[1], key[2], key[4]
    if len(key) == 6 and key[5] is not None:
        raise VsanimeError("it has storages that are parts of others; save it again with a newer torch")
    if not isinstance(form, _Form) or type(name) is not str or type(count) is not int or count < 0:
        raise ValueError("a storage that is not described")
    return _Storage(form, name, count)


def _rebuild_tensor(arguments: tuple[object, ...]) -> _Tensor:
    """Build a tensor from (storage, offset, shape, strides, and entries that only training needs)."""
    storage, offset, shape, strides, *_ = arguments
    if not isinstance(storage, _Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise ValueError("a tensor that is not described")
    if type(offset) is not int or len(shape) != len(strides) or len(shape) > _MOST_AXES:
        raise ValueError("a tensor of an impossible shape")
    if not all(type(n) is int and 0 <= n <= MOST_BYTES for n in (offset, *shape, *strides)) or 0 in shape:
        raise ValueError("a tensor of an impossible shape")
    return _Tensor(storage, offset, shape, strides)


def _rebuild_parameter(arguments: tuple[object, ...]) -> object:
    """Return the tensor of (tensor, and entries that only training needs)."""
    return arguments[0]


def _ordered_dict(arguments: tuple[object, ...]) -> dict[object, object]:
    """Return an empty dict, which later operations fill."""
    if arguments:
        raise ValueError("a dict with arguments")
    return {}


def _size(arguments: tuple[object, ...]) -> object:
    (values,) = arguments
    # Truncated, because a list of any length could be passed repeatedly.
    return tuple(values[:_MOST_AXES]) if isinstance(values, list | tuple) else ()


_NAMES: pickles.Names = {
    "collections OrderedDict": _ordered_dict,
    "torch._utils _rebuild_tensor": _rebuild_tensor,
    "torch._utils _rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils _rebuild_parameter": _rebuild_parameter,
    "torch Size": _size,
    "torch device": _size,
    "torch DoubleStorage": _Form("<f8"),
    "torch FloatStorage": _Form("<f4"),
    "torch HalfStorage": _Form("<f2"),
    "torch BFloat16Storage": _Form("<u2", bfloat16=True),
    "torch LongStorage": _Form("<i8"),
    "torch IntStorage": _Form("<i4"),
    "torch ShortStorage": _Form("<i2"),
    "torch CharStorage": _Form("i1"),
    "torch ByteStorage": _Form("u1"),
    "torch BoolStorage": _Form("?"),
}


# Zip archives


def _open_zip(data: bytes) -> tuple[object, Callable[[_Storage], bytes]]:
    """Return the saved object, and a function that returns a storage's bytes."""
    try:
        if data.count(_DIRECTORY_ENTRY) > 2 * MOST_TENSORS:
            raise VsanimeError("its archive has more entries than any network has tensors")
        archive = zipfile.ZipFile(BytesIO(data))
        entries = {info.filename: info for info in archive.infolist()}
    except _ZIP_ERRORS as error:
        if _DIRECTORY_END not in data[-_MOST_COMMENT:]:
            raise VsanimeError(
                f"its zip archive is damaged: it ends after {len(data):,} bytes without its directory, as downloads do "
                "that were cut short; download it again"
            ) from None
        raise VsanimeError(f"its zip archive is damaged: {show(str(error))}; download it again") from None
    roots = [name.removesuffix("data.pkl") for name in entries if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise VsanimeError(f"a zip archive without data.pkl is not from torch{_describe_entries(list(entries))}")
    # Checked before anything is read: torch never compresses, so no entry can be larger than the file.
    if sum(info.file_size for info in entries.values()) > len(data):
        raise VsanimeError(f"its archive announces more than the {len(data):,} bytes that the file has")

    def entry(name: str) -> bytes:
        if name not in entries:
            raise VsanimeError(f"its archive lacks {show(name)}; it is damaged")
        if entries[name].compress_type != zipfile.ZIP_STORED:
            raise VsanimeError(f"{show(name)} in its archive is compressed; torch stores, and only that is read")
        try:
            return archive.read(entries[name])
        except _ZIP_ERRORS as error:
            raise VsanimeError(f"{show(name)} in its archive is damaged: {show(str(error))}") from None

    if f"{roots[0]}byteorder" in entries and entry(f"{roots[0]}byteorder") != b"little":
        raise VsanimeError("it was saved on a big-endian machine; save it again on another")

    @cache
    def storage(wanted: _Storage) -> bytes:
        held = entry(f"{roots[0]}data/{wanted.key}")
        _check_size(wanted, len(held))
        return held

    return _load(BytesIO(entry(f"{roots[0]}data.pkl"))), storage


def _describe_entries(names: Sequence[str]) -> str:
    """Return advice for an archive that torch did not write."""
    if any(name.endswith(".npy") for name in names):
        return "; NumPy's .npz is not read"
    inside = [name for name in names if not name.endswith("/")]
    if not inside:
        return "; there is nothing in it"
    held = ", ".join(show(name) for name in inside[:3]) + (", ..." if len(inside) > 3 else "")
    return f"; extract it, and give one of the files that are in it: {held}"


def _check_size(wanted: _Storage, held: int) -> None:
    if held != wanted.size:
        raise VsanimeError(f"storage {show(wanted.key)} has {held:,} bytes where {wanted.size:,} are announced")


# The old format is a row of pickles: a magic number, a version, facts about the machine, the saved object, the keys of
# the storages; then each storage as its count and its numbers.


def _open_legacy(data: bytes) -> tuple[object, Callable[[_Storage], bytes]]:
    """Return the saved object, and a function that returns a storage's bytes."""
    stream = BytesIO(data)
    if _load(stream) != _LEGACY_MAGIC or _load(stream) != _LEGACY_PROTOCOL:
        raise VsanimeError("a pickle that is not from torch; save with torch.save(model.state_dict(), path)")
    machine = _load(stream)
    if not isinstance(machine, Mapping) or machine.get("little_endian") is not True:
        raise VsanimeError("it was saved on a big-endian machine; save it again on another")
    found: dict[str, _Storage] = {}

    def note(key: object) -> _Storage:
        storage = _persistent(key)
        if found.setdefault(storage.key, storage) != storage:
            raise ValueError("a storage that is described twice")
        return storage

    saved = pickles.load(stream, _NAMES, note)
    keys = _load(stream)
    if not isinstance(keys, list) or not all(type(key) is str for key in keys) or sorted(keys) != sorted(found):
        raise VsanimeError("its list of storages is damaged")
    parts = {key: _next_storage(stream, found[key]) for key in keys}
    return saved, lambda wanted: parts[wanted.key]


def _next_storage(stream: BytesIO, storage: _Storage) -> bytes:
    """Read the count and the numbers of the next storage."""
    count = int.from_bytes(stream.read(8), "little")
    if count != storage.count:
        raise VsanimeError(f"storage {show(storage.key)} has {count:,} numbers where {storage.count:,} are announced")
    numbers = stream.read(storage.size)
    _check_size(storage, len(numbers))
    return numbers
