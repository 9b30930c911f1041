"""Checkpoints: a folder per step with safetensors and JSON, complete or absent."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from workbench.errors import CheckpointError

__all__ = ["Checkpoint", "TrainState", "latest", "load_average", "restore", "save"]

SCHEMA = 1
KEPT = 2


@dataclass
class TrainState:
    """Where training stands. Randomness is keyed by the step, so there is no generator to save."""

    step: int = 0
    seconds: float = 0.0  # spent training, evaluations not counted
    evaluated: int = -1  # the step of the last evaluation


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk."""

    folder: Path
    state: TrainState


def save(folder: Path, state: TrainState, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> Checkpoint:
    """Write `folder`/step_N in one move, and remove all but the newest few."""
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"step_{state.step:08d}"
    beside = Path(tempfile.mkdtemp(prefix=".writing_", dir=folder))
    try:
        save_file(_tensors(network.state_dict()), beside / "network.safetensors")
        save_file(_tensors(average.state_dict()), beside / "ema.safetensors")
        save_file(_optimizer_tensors(network, optimizer), beside / "optimizer.safetensors")
        (beside / "state.json").write_text(json.dumps({"schema": SCHEMA, **asdict(state)}))
        beside.chmod(0o755)
        if final.exists():
            shutil.rmtree(final)
        os.replace(beside, final)  # noqa: PTH105 - a folder, in one move
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    for old in _folders(folder)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return Checkpoint(final, replace(state))  # training goes on changing its own


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint under `folder`, None if there is none; CheckpointError where its state cannot be read."""
    folders = _folders(folder)
    return _read(folders[-1]) if folders else None


def restore(checkpoint: Checkpoint, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> TrainState:
    """Put the saved tensors back where they came from."""
    _load_module(network, checkpoint.folder / "network.safetensors")
    _load_module(average, checkpoint.folder / "ema.safetensors")
    saved = _load_tensors(checkpoint.folder / "optimizer.safetensors")
    for name, parameter in network.named_parameters():
        mine = {key.rpartition("/")[2]: value for key, value in saved.items() if key.rpartition("/")[0] == name}
        optimizer.state[parameter] = {
            key: value.to(parameter.device)
            if value.dim() == 0
            else value.to(parameter.device).contiguous(memory_format=_format_of(parameter))
            for key, value in mine.items()
        }
    return replace(checkpoint.state)


def load_average(checkpoint: Checkpoint, network: nn.Module) -> None:
    """Put the averaged weights into a network."""
    _load_module(network, checkpoint.folder / "ema.safetensors")


def _format_of(parameter: Tensor) -> torch.memory_format:
    last = parameter.dim() == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _tensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in state.items()}


def _optimizer_tensors(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    # By the parameter's name, not its position: readable, and robust against a reordered network.
    return _tensors(
        {
            f"{name}/{key}": value
            for name, parameter in network.named_parameters()
            for key, value in optimizer.state.get(parameter, {}).items()
            if isinstance(value, Tensor)
        }
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*")) if folder.is_dir() else []


def _read(folder: Path) -> Checkpoint:
    try:
        stored: dict[str, Any] = json.loads((folder / "state.json").read_text())
        if stored.pop("schema") != SCHEMA:
            raise CheckpointError(f"{folder}: written by another version of the workbench (this one reads schema {SCHEMA})")
        return Checkpoint(folder, TrainState(**stored))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{folder}: the checkpoint cannot be read ({error}); remove this folder to go on from the one before"
        ) from error


def _load_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error}); remove {path.parent.name} to go on from the checkpoint before"
        ) from error


def _load_module(module: nn.Module, path: Path) -> None:
    try:
        module.load_state_dict(_load_tensors(path))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{path}: does not fit the network of this recipe: {reason}") from error
