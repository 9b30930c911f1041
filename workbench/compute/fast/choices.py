"""Choose the fastest implementation of an operation on this CPU: measured once per shape and stored."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.compute.timing import fastest_milliseconds
from workbench.files import write_json

Implementations = Mapping[str, Callable[..., Any]]
PLAIN, COMPILED = "torch", "compiled"

REPEATS = 3
IMAGES = 16  # enough for all threads and small enough to be quick; the choice must not depend on the number of images
# Measured alone, an operation finds its images in the caches; in a network it does not, and smaller gains than this were lost there.
# Compiled kernels are exempt, because they access memory less often than torch.
WORTH = 0.8


class Choices:
    """Measured times of implementations on this CPU with this torch and number of threads, and the choices made by them.

    Times are in milliseconds. They are kept in a file under `folder`, so that the same run, resumed, or the next one computes in the same
    way; without a folder they are kept in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._path = None if folder is None else folder / "fast_path" / f"{host_name(str(torch.get_num_threads()))}.json"
        self._measured: dict[str, dict[str, float]] = {} if self._path is None else _read(self._path)
        self.used: dict[str, str] = {}  # the implementation that this process chose, by key
        self._times_used: dict[str, dict[str, float]] = {}  # the measurements that this process used, by key

    def fastest(
        self, name: str, implementations: Implementations, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Callable[..., Any]:
        """Return the fastest of `implementations` ("torch" is one of them) for arguments like these.

        The first dimension of the tensors, the number of images, does not matter.
        """
        key = f"{name} {_key(args)}"
        if key not in self.used:
            measurements = {
                choice: partial(_milliseconds, function, args, kwargs) for choice, function in implementations.items()
            }
            times = self.times(key, measurements)
            best = min(times, key=times.__getitem__)
            self.used[key] = best if best == COMPILED or times[best] < WORTH * times[PLAIN] else PLAIN
        # The choice of a resumed run may be missing: a compiled kernel, on a machine without a compiler.
        return implementations.get(self.used[key], implementations[PLAIN])

    def times(self, key: str, measurements: Mapping[str, Callable[[], float]]) -> dict[str, float]:
        """Milliseconds by name, stored under `key`; the functions in `measurements` are called if they are not stored yet."""
        times = self._measured.get(key, {})
        if set(times) != set(measurements):
            times = self._stored().get(key, {})  # another process may have measured them meanwhile
        if set(times) != set(measurements):
            measured = {name: round(measure(), 4) for name, measure in measurements.items()}
            stored = self._stored()
            # The first writer wins, so that runs that start at the same time compute alike.
            times = stored[key] if set(stored.get(key, {})) == set(measurements) else measured
            if self._path is not None:
                write_json(self._path, {**stored, key: times})
        self._measured[key] = self._times_used[key] = times
        return times

    def _stored(self) -> dict[str, dict[str, float]]:
        return {} if self._path is None else _read(self._path)

    def to_dict(self) -> dict[str, Any]:
        """All choices of this process and the measurements behind them, for `restore` in another process."""
        return {"used": dict(self.used), "times": dict(self._times_used)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Repeat the choices of another process instead of measuring, so that a resumed run computes as it started."""
        self.used.update(state.get("used", {}))
        self._measured.update(state.get("times", {}))
        self._times_used.update(state.get("times", {}))

    def describe(self) -> list[str]:
        """A line per operation: how many shapes take the fast path in this process, and how much faster it is."""
        names = sorted({key.partition(" [")[0] for key in self.used})
        return [self._describe_operation(name, [key for key in self.used if key.partition(" [")[0] == name]) for name in names]

    def _describe_operation(self, name: str, keys: list[str]) -> str:
        fast = [key for key in keys if self.used[key] != PLAIN]
        if not fast:
            return f"{name}: torch's implementation"
        gain = sum(self._measured[key][PLAIN] for key in fast) / sum(self._measured[key][self.used[key]] for key in fast)
        return f"{name}: {len(fast)} of {len(keys)} shapes, {gain:.1f} times as fast there"


def _key(args: tuple[Any, ...]) -> str:
    image = args[0]
    kind = "forward and backward" if _needs_gradients(args) else "forward"
    return f"[{', '.join(str(size) for size in image.shape[1:])}] {_integer_arguments(args)}{str(image.dtype).removeprefix('torch.')} {kind}"


def _integer_arguments(args: tuple[Any, ...]) -> str:
    return "".join(f"{argument} " for argument in args[1:] if isinstance(argument, int))


def _needs_gradients(args: tuple[Any, ...]) -> bool:
    return torch.is_grad_enabled() and any(isinstance(argument, Tensor) and argument.requires_grad for argument in args)


def _milliseconds(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float:
    """Milliseconds of the fastest of a few calls on random tensors like `args`, with the backward pass if they require gradients."""
    gradients = _needs_gradients(args)
    # The network's own tensors are not used: the backward pass would leave gradients in them.
    positional = [_random_like(argument, gradients) for argument in args]
    named = {name: _random_like(argument, gradients) for name, argument in kwargs.items()}

    def once() -> None:
        out = function(*positional, **named)
        if gradients:
            outs = out if isinstance(out, tuple) else (out,)
            torch.autograd.backward(outs, [tensor.detach() for tensor in outs])

    return fastest_milliseconds(once, 1 + REPEATS)


def _random_like(argument: Any, gradients: bool) -> Any:
    if not isinstance(argument, Tensor):
        return argument
    like = argument.detach()[:IMAGES] if argument.dim() > 1 else argument.detach()
    # A generator of its own: a measurement must not advance the global one, which dropout draws from.
    values = torch.randn(like.shape, generator=torch.Generator().manual_seed(0)).to(like.dtype)
    return torch.empty_like(like).copy_(values).requires_grad_(gradients)


def host_name(*more: str) -> str:
    """A name for the CPU, its instruction set, torch's version, and `more` that results depend on."""
    parts = [cpu_id(), torch.backends.cpu.get_cpu_capability(), *more, torch.__version__]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def cpu_id() -> str:
    """The system's description of the CPU, without its current clock rate."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return "\n".join(line for line in lines if line.startswith(("vendor_id", "cpu family", "model", "flags", "CPU part")))


def _read(path: Path) -> dict[str, dict[str, float]]:
    try:
        stored = json.loads(path.read_text())
        return {str(key): {str(name): float(ms) for name, ms in times.items()} for key, times in stored.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # missing or damaged: measured again
