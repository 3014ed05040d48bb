"""Writes weight files by hand, as the programs that they come from write them."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.nets import Array, Net

# ncnn


def ncnn_param(net: Net, folded: bool = True) -> str:
    """Activations as part of the convolutions, or as layers of their own."""
    channels = net.layers[0][0].shape[1]
    lines = [f"Input                    input                    0 1 blob0 0=156 1=156 2={channels}"]
    for i, (weight, bias) in enumerate(net.layers):
        last = i == len(net.layers) - 1
        transposed = last and net.kind == "upconv_7"
        out, kernel = weight.shape[1 if transposed else 0], weight.shape[2]
        text = f"{'Deconvolution' if transposed else 'Convolution':<24} conv{i} 1 1 blob{i} "
        text += f"{'' if folded or last else 'raw'}blob{i + 1} 0={out} 1={kernel} "
        text += "3=2 4=3 " if transposed else ""
        text += f"{'' if bias is None else '5=1 '}6={weight.size}"
        lines.append(text + (" 9=2 -23310=1,0.100000" if folded and not last else ""))
        if not folded and not last:
            lines.append(f"ReLU relu{i} 1 1 rawblob{i + 1} blob{i + 1} 0=0.100000")
    return "\n".join(["7767517", f"{len(lines)} {len(lines)}", *lines, ""])


def ncnn_bin(net: Net, half: bool) -> bytes:
    data = b""
    for i, (weight, bias) in enumerate(net.layers):
        if i == len(net.layers) - 1 and net.kind == "upconv_7":
            weight = weight.transpose(1, 0, 2, 3)  # [out, in] of transposed convolutions as well
        values = np.ascontiguousarray(weight, "<f2" if half else "<f4").tobytes()
        data += struct.pack("<I", 0x01306B47 if half else 0) + values + bytes(-len(values) % 4)
        data += b"" if bias is None else bias.astype("<f4").tobytes()
    return data


def ncnn(folder: Path, net: Net, half: bool = False, folded: bool = True) -> Path:
    param = folder / "nätverk 2.0x.param"
    param.write_text(ncnn_param(net, folded), encoding="utf-8")
    param.with_suffix(".bin").write_bytes(ncnn_bin(net, half))
    return param


# waifu2x's JSON


def waifu2x_json(net: Net, class_names: bool = True) -> str:
    layers: list[dict[str, Any]] = []
    for i, (weight, bias) in enumerate(net.layers):
        transposed = i == len(net.layers) - 1 and net.kind == "upconv_7"
        out, into = weight.shape[1::-1] if transposed else weight.shape[:2]
        layer: dict[str, Any] = {"nInputPlane": into, "nOutputPlane": out, "kW": weight.shape[3], "kH": weight.shape[2]}
        if class_names:
            layer["class_name"] = "nn.SpatialFullConvolution" if transposed else "nn.SpatialConvolutionMM"
            layer |= (
                {"dW": 2, "dH": 2, "padW": 3, "padH": 3} if transposed else {"dW": 1, "dH": 1, "padW": 0, "padH": 0}
            )
        layer["weight"] = weight.tolist()
        layer["bias"] = ([0.0] * out) if bias is None else bias.tolist()
        layers.append(layer)
    layers[0]["model_config"] = {"arch_name": net.kind, "scale_factor": net.scale, "channels": 3}
    return json.dumps(layers)


# safetensors

TYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64"}


def safetensors(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> bytes:
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    data = b""
    for name, array in arrays.items():
        values = array.tobytes()
        header[name] = {
            "dtype": TYPES[str(array.dtype)],
            "shape": list(array.shape),
            "data_offsets": [len(data), len(data) + len(values)],
        }
        data += values
    return raw_safetensors(header, data)


def raw_safetensors(header: object, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


# torch: pickles of protocol 2, by their operations

_STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "uint16": "BFloat16Storage",  # NumPy has no bfloat16: its bits
    "int64": "LongStorage",
}


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def value(item: object) -> bytes:
    match item:
        case None:
            return b"N"
        case bool():
            return b"\x88" if item else b"\x89"
        case int():
            packed = item.to_bytes(10, "little", signed=True)
            return b"J" + struct.pack("<i", item) if -(1 << 31) <= item < 1 << 31 else b"\x8a\x0a" + packed
        case str():
            return b"X" + struct.pack("<I", len(item.encode())) + item.encode()
        case bytes():
            return item  # operations already
        case tuple():
            return b"(" + b"".join(map(value, item)) + b"t"
        case list():
            return b"](" + b"".join(map(value, item)) + b"e"
        case dict():
            return b"}(" + b"".join(value(k) + value(v) for k, v in item.items()) + b"u"
    raise TypeError(type(item))


def pickled(item: object) -> bytes:
    return b"\x80\x02" + value(item) + b"."


def storage(form: str, key: str, count: int, legacy: bool = False) -> bytes:
    reference = ("storage", name("torch", form), key, "cpu", count)
    return value((*reference, None) if legacy else reference) + b"Q"


def tensor(array: Array, key: str, legacy: bool = False, **changed: object) -> bytes:
    """A contiguous tensor; `changed` parts differ from the truth."""
    strides = tuple(s // array.itemsize for s in array.strides)
    facts = {"offset": 0, "shape": array.shape, "strides": strides, "count": array.size} | changed
    held = storage(_STORAGES[str(array.dtype)], key, int(str(facts["count"])), legacy)
    hooks = name("collections", "OrderedDict") + b")R"
    arguments = (held, facts["offset"], facts["shape"], facts["strides"], False, hooks)
    return name("torch._utils", "_rebuild_tensor_v2") + value(arguments) + b"R"


def ordered(items: Mapping[str, object]) -> bytes:
    """An OrderedDict with torch's `_metadata` as its state."""
    state = {"_metadata": name("collections", "OrderedDict") + b")R"}
    return (
        name("collections", "OrderedDict")
        + b")R("
        + b"".join(value(k) + value(v) for k, v in items.items())
        + b"u"
        + value(state)
        + b"b"
    )


def torch_zip(saved: object, storages: Mapping[str, bytes], **changed: bytes | None) -> bytes:
    """An archive; entries in `changed` (data__pkl, version, byteorder) differ, or are left out if None."""
    entries: dict[str, bytes | None] = {"data.pkl": pickled(saved), "byteorder": b"little"}
    entries |= {f"data/{key}": data for key, data in storages.items()}
    entries |= {"version": b"3\n"} | {key.replace("__", "."): data for key, data in changed.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for entry, data in entries.items():
            if data is not None:
                archive.writestr(f"network/{entry}", data)
    return file.getvalue()


def torch_legacy(saved: object, storages: Mapping[str, tuple[int, bytes]]) -> bytes:
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [pickled(0x1950A86A20F9469CFC6C), pickled(1001), pickled(machine), pickled(saved), pickled(list(storages))]
    return b"".join(parts) + b"".join(struct.pack("<q", count) + data for count, data in storages.values())


def state_dict_zip(arrays: Mapping[str, Array], wrap: str = "", **beside: object) -> bytes:
    saved: object = ordered({k: tensor(a, str(i)) for i, (k, a) in enumerate(arrays.items())})
    if wrap or beside:
        saved = {**beside, wrap: saved}
    return torch_zip(saved, {str(i): a.tobytes() for i, a in enumerate(arrays.values())})


def state_dict_legacy(arrays: Mapping[str, Array]) -> bytes:
    keys = [str(94_000 + 16 * i) for i in range(len(arrays))]  # addresses, in fact
    pairs = list(zip(keys, arrays.items(), strict=True))
    saved = ordered({k: tensor(a, key, legacy=True) for key, (k, a) in pairs})
    return torch_legacy(saved, {key: (a.size, a.tobytes()) for key, (_, a) in pairs})
