"""Devices and precision are looked up in one place, and what is not there is refused in one line."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from faceshield.core.errors import UsageError
from faceshield.training import runtime as module
from faceshield.training.runtime import Runtime, has_bf16, has_compiler

CPU = torch.device("cpu")


def test_the_best_on_this_machine():
    runtime = Runtime.best()
    assert runtime.device == CPU
    assert runtime.dtype == (torch.bfloat16 if has_bf16(CPU) else torch.float32)
    assert Runtime.best("cpu", "float32").dtype == torch.float32
    assert Runtime.best("cpu", "bfloat16").dtype == torch.bfloat16


AVX512 = {"avx512_f": True, "cpu_name": "some CPU"}


@pytest.mark.parametrize(
    ("flags", "capability", "limit", "expected"),
    [
        ({**AVX512, "avx512_bf16": True}, "AVX512", None, True),
        ({**AVX512, "amx_bf16": True}, "AVX512", "ALL", True),
        ({**AVX512, "avx512_bf16": True}, "AVX512", "AVX512_CORE_BF16", True),
        ({**AVX512, "avx512_bf16": True}, "AVX512", "AVX2", False),
        ({**AVX512, "avx512_bf16": True}, "AVX2", None, False),
        ({**AVX512, "avx512_bf16": False}, "AVX512", None, False),
        ({"neon": True, "bf16": True}, "DEFAULT", None, False),
    ],
)
def test_bf16_is_what_the_processor_has_and_may_use(flags, capability, limit, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if limit is not None:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert has_bf16(CPU) is expected
    assert Runtime.best().dtype == (torch.bfloat16 if expected else torch.float32)


@pytest.mark.parametrize(("text", "expected"), [("flags : avx2 avx512_bf16", True), ("flags : avx2 f16c", False)])
def test_an_older_torch_reads_the_processors_flags_from_linux(text, expected, monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr("pathlib.Path.read_text", lambda path, encoding: text)
    assert has_bf16(CPU) is expected


def test_an_older_torch_elsewhere_takes_float32(monkeypatch):
    def missing(path, encoding):
        raise FileNotFoundError(path)

    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr("pathlib.Path.read_text", missing)
    assert Runtime.best().dtype == torch.float32


@pytest.mark.parametrize("device", ["mps", "xpu", "meta"])
def test_devices_that_nothing_was_checked_on(device):
    with pytest.raises(UsageError, match=f"device '{device}' is unsupported: .* use cpu or cuda"):
        Runtime.best(device)


@pytest.mark.parametrize("device", ["gpu", "", "cpu:x", "cuda:999", "cpu cpu"])
def test_devices_that_are_not_there(device):
    with pytest.raises(UsageError, match="device"):
        Runtime.best(device)


def test_a_missing_cuda_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="torch sees no CUDA device; use --device cpu"):
        Runtime.best("cuda")


def test_unknown_precision():
    with pytest.raises(UsageError, match="precision 'half' is unknown; use best, float32 or bfloat16"):
        Runtime.best("cpu", "half")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_forward_gives_float32_whatever_it_computes_in(dtype):
    runtime = Runtime(CPU, dtype)
    model = runtime.place(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 2))).eval()
    assert model[0].weight.dtype == torch.float32
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        out, plain = runtime.forward(model, x), model(x)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, plain, rtol=0, atol=1e-5 if dtype == torch.float32 else 0.05)


def test_describe_names_device_and_precision():
    text = Runtime(CPU, torch.float32).describe()
    assert "CPU" in text
    assert "float32" in text
    assert f"{torch.get_num_threads()} threads" in text


def test_threads():
    before = torch.get_num_threads()
    try:
        assert "2 threads" in Runtime.best(threads=2).describe()
        Runtime.best()
        assert torch.get_num_threads() == 2, "not asked for, threads stay as they are"
    finally:
        torch.set_num_threads(before)
    with pytest.raises(UsageError, match="0 threads cannot compute anything; use 1 or more"):
        Runtime.best(threads=0)


@pytest.mark.parametrize("works", [True, False])
def test_networks_are_compiled_where_a_compiler_works_and_keep_their_names(works, monkeypatch):
    """torch.compile itself takes half a minute; here it is one that counts the calls and runs the network as it is."""
    calls = []

    def counting(call, *args, **options):
        calls.append(call)
        return call

    monkeypatch.setattr(torch, "compile", counting)
    monkeypatch.setattr(module, "has_compiler", lambda device: works)
    runtime = Runtime.best(precision="float32", compile=True)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten())
    placed = runtime.place(model)
    assert placed is model
    assert list(placed.state_dict()) == ["0.weight", "0.bias"]
    assert runtime.forward(placed, torch.rand(1, 3, 4, 4)).shape == (1, 16)
    assert len(calls) == works
    assert ("compiled" in runtime.describe()) is works
    assert Runtime.best(precision="float32").place(nn.Linear(1, 1)) is not None
    assert len(calls) == works, "it was compiled without being asked for"


def test_a_compiler_that_fails_is_none(monkeypatch):
    def failing(call):
        raise RuntimeError("no g++")

    for call, expected in ((failing, False), (lambda call: call, True)):
        monkeypatch.setattr(torch, "compile", call)
        assert has_compiler.__wrapped__(CPU) is expected


@pytest.mark.parametrize(("precision", "tf32", "name"), [("best", True, "high"), ("float32", False, "highest")])
def test_cuda_is_set_up_in_one_place(precision, tf32, name, monkeypatch):
    """Flags only: an empty tensor on "cuda" is answered by one here, so that no device is needed."""
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "benchmark", False)
    monkeypatch.setattr(cudnn, "allow_tf32", not tf32)
    before = torch.get_float32_matmul_precision()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    monkeypatch.setattr(torch, "empty", lambda *size, device: None)
    try:
        runtime = Runtime.best("cuda", precision)
        assert (cudnn.benchmark, cudnn.allow_tf32, torch.get_float32_matmul_precision()) == (True, tf32, name)
        assert runtime.dtype == (torch.bfloat16 if tf32 else torch.float32)
    finally:
        torch.set_float32_matmul_precision(before)
