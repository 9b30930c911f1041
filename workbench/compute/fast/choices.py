"""Which way of computing something is faster on this processor: measured once per shape, and remembered."""

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

Ways = Mapping[str, Callable[..., Any]]
PLAIN, COMPILED = "torch", "compiled"

REPEATS = 3
IMAGES = 16  # enough for both threads and small enough to be quick; the choice must not depend on how many images there are
# Alone an operation finds its images in the caches, in a network it does not: smaller gains than this were lost there. But for what is
# compiled, which goes to memory less often than torch.
WORTH = 0.8


class Choices:
    """What was measured on this processor with this torch and number of threads: milliseconds by key.

    Kept in a file under `folder`, so that a run that is resumed, or the next one, computes in the same way; with None, in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._path = None if folder is None else folder / "fast_path" / f"{host_name(str(torch.get_num_threads()))}.json"
        self._measured: dict[str, dict[str, float]] = {} if self._path is None else _read(self._path)
        self.used: dict[str, str] = {}  # of this process: which way was taken, by key
        self._asked: dict[str, dict[str, float]] = {}

    def fastest(self, name: str, ways: Ways, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Callable[..., Any]:
        """The fastest of `ways`, "torch" among them, on arguments like these; the first dimension of the tensors does not matter."""
        key = f"{name} {_key(args)}"
        if key not in self.used:
            measures = {way: partial(_milliseconds, function, args, kwargs) for way, function in ways.items()}
            times = self.times(key, measures)
            best = min(times, key=times.__getitem__)
            self.used[key] = best if best == COMPILED or times[best] < WORTH * times[PLAIN] else PLAIN
        return ways.get(self.used[key], ways[PLAIN])  # a run that goes on may do so where there is no compiler

    def times(self, key: str, ways: Mapping[str, Callable[[], float]]) -> dict[str, float]:
        """Milliseconds of each way under `key`: as remembered, or as each function of `ways` measures it now."""
        known = self._measured.get(key, {})
        if set(known) != set(ways):
            known = self._stored().get(key, {})  # by another process meanwhile
        if set(known) != set(ways):
            measured = {way: round(measure(), 4) for way, measure in ways.items()}
            stored = self._stored()
            # Whoever was first is believed by all: two runs that begin at once compute alike.
            known = stored[key] if set(stored.get(key, {})) == set(ways) else measured
            if self._path is not None:
                write_json(self._path, {**stored, key: known})
        self._measured[key] = self._asked[key] = known
        return known

    def _stored(self) -> dict[str, dict[str, float]]:
        return {} if self._path is None else _read(self._path)

    def to_dict(self) -> dict[str, Any]:
        """All that was decided in this process, for `retake` in another one."""
        return {"used": dict(self.used), "times": dict(self._asked)}

    def restore(self, taken: Mapping[str, Any]) -> None:
        """Decide as another process did, whatever would be measured now: a run that goes on computes as it began."""
        self.used.update(taken.get("used", {}))
        self._measured.update(taken.get("times", {}))
        self._asked.update(taken.get("times", {}))

    def describe(self) -> list[str]:
        """For people: what took the fast path in this process, and how much faster it is."""
        names = sorted({key.partition(" [")[0] for key in self.used})
        return [self._told(name, [key for key in self.used if key.partition(" [")[0] == name]) for name in names]

    def _told(self, name: str, keys: list[str]) -> str:
        taken = [key for key in keys if self.used[key] != PLAIN]
        if not taken:
            return f"{name}: as torch does"
        gain = sum(self._measured[key][PLAIN] for key in taken) / sum(self._measured[key][self.used[key]] for key in taken)
        return f"{name}: {len(taken)} of {len(keys)} shapes, {gain:.1f} times as fast there"


def _key(args: tuple[Any, ...]) -> str:
    image = args[0]
    kind = "forward and backward" if _learns(args) else "forward"
    return (
        f"[{', '.join(str(size) for size in image.shape[1:])}] {_numbers(args)}{str(image.dtype).removeprefix('torch.')} {kind}"
    )


def _numbers(args: tuple[Any, ...]) -> str:
    return "".join(f"{each} " for each in args[1:] if isinstance(each, int))


def _learns(args: tuple[Any, ...]) -> bool:
    return torch.is_grad_enabled() and any(isinstance(each, Tensor) and each.requires_grad for each in args)


def _milliseconds(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float:
    """The fastest of a few calls on random tensors like `args`, with the backward pass where there will be one."""
    learns = _learns(args)
    # None of the network's own tensors: the backward pass would leave gradients in them.
    like = [_like(each, learns) for each in args]
    named = {name: _like(each, learns) for name, each in kwargs.items()}

    def once() -> None:
        out = function(*like, **named)
        if learns:
            outs = out if isinstance(out, tuple) else (out,)
            torch.autograd.backward(outs, [tensor.detach() for tensor in outs])

    return fastest_milliseconds(once, 1 + REPEATS)


def _like(tensor: Any, learns: bool) -> Any:
    if not isinstance(tensor, Tensor):
        return tensor
    # Of its own generator: measuring must not move the global one, which dropout draws from.
    some = tensor.detach()[:IMAGES] if tensor.dim() > 1 else tensor.detach()
    values = torch.randn(some.shape, generator=torch.Generator().manual_seed(0)).to(some.dtype)
    return torch.empty_like(some).copy_(values).requires_grad_(learns)


def host_name(*more: str) -> str:
    """A name for processor, torch, and what else matters."""
    told = [cpu_id(), torch.backends.cpu.get_cpu_capability(), *more, torch.__version__]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def cpu_id() -> str:
    """What the system says of the processor, without its present clock."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return "\n".join(line for line in lines if line.startswith(("vendor_id", "cpu family", "model", "flags", "CPU part")))


def _read(path: Path) -> dict[str, dict[str, float]]:
    try:
        stored = json.loads(path.read_text())
        return {str(key): {str(way): float(ms) for way, ms in times.items()} for key, times in stored.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # absent or damaged: measured again
