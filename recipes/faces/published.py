"""Published networks as ONNX graphs: files of that format, and TensorFlow.js graphs node by node."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from faceshield.core.store import read_json

Array = NDArray[Any]


def read_onnx(path: Path) -> onnx.ModelProto:
    """A file as it is."""
    return onnx.load(str(path))


def read_tfjs(path: Path, output: str) -> onnx.ModelProto:
    """The graph of a TensorFlow.js model (``path`` .json, its .bin beside it) up to ``output``, in its own layout.

    Pictures stay (N, H, W, C); only around a convolution are they turned, because ONNX has it for (N, C, H, W).
    """
    model = read_json(path)
    constants = _weights(model, path.with_suffix(".bin"))
    nodes: list[onnx.NodeProto] = []
    for node in model["modelTopology"]["node"]:
        if node["op"] in WRITTEN:
            nodes += WRITTEN[node["op"]](node, constants)
        if node["name"] == output:
            break
    else:
        raise ValueError(f"{path}: has no node {output}")
    (data,) = (n["name"] for n in model["modelTopology"]["node"] if n["op"] == "Placeholder")
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes, path.stem,
        [helper.make_tensor_value_info(data, onnx.TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _weights(model: Any, path: Path) -> dict[str, Array]:
    """All constants by name, those stored in half precision as float32."""
    raw, at, found = path.read_bytes(), 0, {}
    for weight in model["weightsManifest"][0]["weights"]:
        stored = np.dtype(weight.get("quantization", weight)["dtype"])
        count = int(np.prod(weight["shape"]))
        value = np.frombuffer(raw, stored, count, at).reshape(weight["shape"])
        found[weight["name"]] = value.astype(weight["dtype"] if stored.kind == "f" else np.int64)
        at += count * stored.itemsize
    if at != len(raw):
        raise ValueError(f"{path}: holds {len(raw)} bytes, its graph tells of {at}")
    return found


def _convolution(node: Any, constants: dict[str, Array]) -> list[onnx.NodeProto]:
    name, (data, kernel) = node["name"], node["input"]
    weight, depthwise = constants[kernel], node["op"].startswith("Depthwise")
    order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
    constants[f"{name}/kernel"] = np.ascontiguousarray(weight.transpose(order))
    same = base64.b64decode(node["attr"]["padding"]["s"]) == b"SAME"
    own = helper.make_node(
        "Conv", [f"{name}/in", f"{name}/kernel"], [f"{name}/out"],
        strides=[int(step) for step in node["attr"]["strides"]["list"]["i"][1:3]],
        auto_pad="SAME_UPPER" if same else "VALID", group=weight.shape[2] if depthwise else 1,
    )  # fmt: skip
    before = helper.make_node("Transpose", [data], [f"{name}/in"], perm=[0, 3, 1, 2])
    return [before, own, helper.make_node("Transpose", [f"{name}/out"], [name], perm=[0, 2, 3, 1])]


def _pad(node: Any, constants: dict[str, Array]) -> list[onnx.NodeProto]:
    name, (data, pads) = node["name"], node["input"]
    constants[f"{name}/pads"] = constants[pads].T.reshape(-1)
    return [helper.make_node("Pad", [data, f"{name}/pads"], [name])]


def _mean(node: Any, constants: dict[str, Array]) -> list[onnx.NodeProto]:
    data, axes = node["input"]
    return [helper.make_node("ReduceMean", [data], [node["name"]], axes=constants[axes].tolist(), keepdims=0)]


def _plain(name: str) -> Callable[[Any, dict[str, Array]], list[onnx.NodeProto]]:
    return lambda node, constants: [helper.make_node(name, node["input"], [node["name"]])]


PLAIN = {
    "Add": "Add", "AddV2": "Add", "Mul": "Mul", "Sub": "Sub", "Relu": "Relu", "MatMul": "MatMul", "Maximum": "Max",
    "Minimum": "Min", "Reshape": "Reshape",
}  # fmt: skip
WRITTEN = {op: _plain(name) for op, name in PLAIN.items()}
WRITTEN |= {"Conv2D": _convolution, "DepthwiseConv2dNative": _convolution, "Pad": _pad, "Mean": _mean}
