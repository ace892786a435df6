"""The only file that knows devices, precision, memory format, threads, compilers and how processes find each other.

Precision is looked up, never assumed: bf16 where the hardware multiplies it, float32 elsewhere (bf16 emulated on an
AVX2 CPU is 12 times slower than float32).
"""

from __future__ import annotations

import atexit
import functools
import os
import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from faceshield.core.errors import UsageError
from faceshield.core.ranks import ALONE, Ranks
from faceshield.models.frozen import fold_batch_norm
from faceshield.noise.base import Forward
from faceshield.training.parallel import share_batches

# All wait while one works alone, as when it cloaks photos. That a process has died torchrun itself notices.
PATIENCE = timedelta(hours=12)

_SAFE_INPUTS = 8  # channels from which oneDNN's AVX2 kernels of strided 1×1 convolutions stay inside their memory
_BF16_LIMITS = ("ALL", "DEFAULT", "BF16", "FP16", "AMX", "AVX10")  # values of ONEDNN_MAX_CPU_ISA that leave bf16 in


@dataclass(frozen=True)
class Runtime:
    """Where and how networks run; ``Runtime.best()`` looks the machine up."""

    device: torch.device
    dtype: torch.dtype
    memory_format: torch.memory_format = torch.channels_last
    compile: bool = False
    ranks: Ranks = ALONE

    @staticmethod
    def best(
        device: str = "cpu", precision: str = "best", *, compile: bool = False, threads: int | None = None
    ) -> Runtime:
        """The fastest sound setting on ``device``; ``precision`` "best", "float32" or "bfloat16".

        ``compile`` lets placed networks run through torch.compile where a compiler works; it takes minutes, and a small
        RN-18 on a CPU gains nothing by it. ``threads`` is for the CPU and the whole process; None leaves torch's
        choice. On CUDA the fastest convolutions are measured, and "best" multiplies what stays float32 in TF32. Raises
        UsageError for a device that is unknown or that this machine lacks, for an unknown precision, and for fewer than
        one thread.

        Under torchrun the processes that it started are joined into one job (gloo on a CPU, NCCL on CUDA): ``device``
        "cuda" is then each one's own, and "cuda:N", which would be all processes', is refused.
        """
        device = _of_this_process(device)
        try:
            where = torch.device(device)
            if where.type not in ("cpu", "cuda"):
                raise UsageError(f"device {device!r} is unsupported: nothing was ever checked on it; use cpu or cuda")
            if where.type == "cuda" and not torch.cuda.is_available():
                raise UsageError(f"device {device!r} was asked for but torch sees no CUDA device; use --device cpu")
            torch.empty(0, device=where)
        except (RuntimeError, NotImplementedError, AssertionError):
            raise UsageError(f"device {device!r} is not there; use cpu, cuda or cuda:N") from None
        if precision not in ("best", "float32", "bfloat16"):
            raise UsageError(f"precision {precision!r} is unknown; use best, float32 or bfloat16")
        if threads is not None:
            if threads < 1:
                raise UsageError(f"{threads} threads cannot compute anything; use 1 or more")
            torch.set_num_threads(threads)
        if where.type == "cuda":
            torch.backends.cudnn.benchmark = True
            torch.backends.cudnn.allow_tf32 = precision != "float32"
            torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
        bf16 = precision == "bfloat16" or (precision == "best" and has_bf16(where))
        return Runtime(where, torch.bfloat16 if bf16 else torch.float32, compile=compile, ranks=_join_processes(where))

    def place(self, model: nn.Module) -> nn.Module:
        """``model`` itself, on this device in this memory format (parameters stay float32), compiled if so wished.

        Where there are several processes, its batch norms become those of the whole batch.
        """
        if self.ranks.size > 1:
            share_batches(model, self.ranks)
        model = model.to(self.device).to(memory_format=self.layout(model))
        return self.compile_forward(model) if self.compile else model

    def layout(self, model: nn.Module) -> torch.memory_format:
        """The memory format of ``model`` and its batches here: this runtime's, or contiguous where that is unsafe.

        On a CPU without AVX512, oneDNN's float32 weight gradient of a channels-last 1×1 convolution with a stride and
        fewer than 8 input channels writes outside its memory (seen in torch 2.14 with oneDNN 3.12). Such networks are
        contiguous on every CPU, so that a seed gives the same bytes whatever the instruction set would allow.
        """
        if self.device.type == "cpu" and any(map(_overruns, model.modules())):
            return torch.contiguous_format
        return self.memory_format

    def compile_forward(self, model: nn.Module) -> nn.Module:
        """``model`` itself, its forward pass through torch.compile; as it is where no compiler works here.

        The names of its parameters stay, so that stored states fit compiled and plain networks alike.
        """
        if has_compiler(self.device):
            model.compile()
        return model

    def autocast(self) -> AbstractContextManager[object]:
        """Context in which matrix work runs in ``dtype``."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def forward(self, model: nn.Module, batch: Tensor) -> Tensor:
        """Logits or features in float32, computed in this runtime's precision and memory format."""
        with self.autocast():
            out: Tensor = model(batch.contiguous(memory_format=self.layout(model)))
        return out.float()

    def freeze(self, model: nn.Module) -> Forward:
        """:meth:`forward` of the placed ``model`` as it is now, in eval mode, with its batch norms folded away.

        It is never compiled: it is another network after every change of ``model``.
        """
        return functools.partial(self.forward, fold_batch_norm(model))

    def prepare(self, model: nn.Module) -> Forward:
        """:meth:`freeze` of ``model``, placed here first."""
        return self.freeze(self.place(model))

    def describe(self) -> str:
        """One line for result files: device, threads, instruction set, precision, number of processes."""
        name = str(self.dtype).removeprefix("torch.")
        if self.compile and has_compiler(self.device):
            name += ", compiled"
        if self.ranks.size > 1:
            name += f", {self.ranks.size} processes"
        if self.device.type == "cuda":
            return f"{torch.cuda.get_device_name(self.device)}, {name}"
        capability = torch.backends.cpu.get_cpu_capability()
        return f"{platform.machine()} CPU, {torch.get_num_threads()} threads, {capability}, {name}"


def _of_this_process(device: str) -> str:
    """``device``, or this process's own one where torchrun started several on this machine."""
    if not dist.is_torchelastic_launched() or not device.startswith("cuda"):
        return device
    if device != "cuda" and int(os.environ["LOCAL_WORLD_SIZE"]) > 1:
        raise UsageError(f"device {device!r} would be shared by all of torchrun's processes; use --device cuda")
    return f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device


def _join_processes(device: torch.device) -> Ranks:
    """The processes that torchrun started together, connected the first time that this is called."""
    if not dist.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
        return ALONE
    if not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
            dist.init_process_group("nccl", device_id=device, timeout=PATIENCE)
        else:
            dist.init_process_group("gloo", timeout=PATIENCE)
        atexit.register(dist.destroy_process_group)
    return Ranks(dist.get_rank(), dist.get_world_size())


def has_bf16(device: torch.device) -> bool:
    """Whether the hardware itself multiplies bf16 (CUDA compute capability ≥ 8; AVX512-BF16 or AMX on a CPU).

    A CPU that is told to be an older one (ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA) has none; nor has one that says
    nothing of itself.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not any(w in limit for w in _BF16_LIMITS):
        return False
    return bool({"avx512_bf16", "amx_bf16"} & _cpu_flags())


def explain_precision(device: torch.device) -> str:
    """Why :meth:`Runtime.best` takes the precision that it takes on ``device``, to follow the word "because"."""
    if device.type == "cuda":
        return f"the compute capability is {'.'.join(map(str, torch.cuda.get_device_capability(device)))} (bf16 from 8)"
    if has_bf16(device):
        return "the processor multiplies bf16 itself"
    return f"no multiplication of bf16 in hardware is known here (kernels: {torch.backends.cpu.get_cpu_capability()})"


def list_devices() -> list[str]:
    """The devices that :meth:`Runtime.best` takes on this machine, in words."""
    cards = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    return ["cpu", *(f"cuda:{number} ({torch.cuda.get_device_name(number)})" for number in cards)]


def _cpu_flags() -> set[str]:
    """What the processor says it can do: as torch asks it, on every system; under an older torch as Linux tells it."""
    if hasattr(torch.cpu, "get_capabilities"):
        return {name for name, value in torch.cpu.get_capabilities().items() if value is True}
    try:
        return set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return set()


def _overruns(module: nn.Module) -> bool:
    """Whether ``module`` is a convolution of the kind that :meth:`Runtime.layout` names."""
    if not isinstance(module, nn.Conv2d) or module.kernel_size != (1, 1) or module.stride == (1, 1):
        return False
    return module.in_channels // module.groups < _SAFE_INPUTS


@functools.cache
def has_compiler(device: torch.device) -> bool:
    """Whether torch.compile works here: tried once, on one addition."""
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(2, device=device))
    except Exception:  # what is missing (a C++ compiler, headers, Triton, this Python) decides the kind
        return False
    return True
