"""Checkpoints: one folder per step with safetensors, JSON and a manifest. A checkpoint is complete or absent, and never modified."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from workbench.errors import CheckpointError, WeightsError
from workbench.faults import fault_point
from workbench.files import UNFINISHED, storage_errors, sync_folder
from workbench.tensors import read_tensors
from workbench.training.manifest import Manifest, read_bytes, write_file

# Schema 1 had no manifest; its folders are still read.
SCHEMAS = (1, 2)
KEPT = 2
NETWORK, AVERAGE, OPTIMIZER, STATE, CHOICES = (
    "network.safetensors",
    "ema.safetensors",
    "optimizer.safetensors",
    "state.json",
    "choices.json",
)


@dataclass
class TrainState:
    """The progress of training. Randomness is keyed by the step, so no generator state is saved."""

    step: int = 0
    seconds: float = 0.0  # of training, without evaluations
    evaluated: int = -1  # the step of the last evaluation
    validated: int = -1  # the step of the last validation
    run: str = ""  # the run's id
    best: float | None = None  # the lowest validation loss
    best_step: int = -1
    recorded: int = 0  # numbers in the run's journal

    def has_reached(self, steps: int, minutes: float | None) -> bool:
        """True after this many steps, or minutes of training."""
        return self.step >= steps or (minutes is not None and self.seconds >= 60.0 * minutes)


@dataclass(frozen=True)
class About:
    """The provenance of a checkpoint: the recipe's hash, the environment, and the implementations chosen by measurement."""

    recipe: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    choices: Callable[[], Mapping[str, Any]] = dict


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk; `manifest` is None in folders of schema 1."""

    folder: Path
    state: TrainState
    manifest: Manifest | None = None

    def bytes_of(self, name: str) -> bytes:
        """A file's bytes; CheckpointError if they differ from the manifest."""
        return read_bytes(self.folder / name, self._expected(name))

    def tensors(self, name: str) -> dict[str, Tensor]:
        """A file's tensors; CheckpointError if its bytes differ from the manifest."""
        expected = self._expected(name)
        try:
            return read_tensors(self.folder / name, sha256=None if expected is None else expected[1])
        except WeightsError as error:
            raise CheckpointError(f"{error}; remove {self.folder.name} to continue from the checkpoint before") from error

    def choices(self) -> dict[str, Any]:
        """The implementations chosen by measurement when the checkpoint was written."""
        if self.manifest is None:
            return {}
        return dict(json.loads(self.bytes_of(CHOICES)))

    def _expected(self, name: str) -> tuple[int, str] | None:
        if self.manifest is None:
            return None
        if name not in self.manifest.files:
            raise CheckpointError(f"{self.folder}: its manifest does not list {name}")
        return self.manifest.files[name]


def save(
    folder: Path, state: TrainState, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, about: About
) -> Checkpoint:
    """Write `folder`/step_N atomically, read it back, then remove all but the newest few checkpoints.

    Every file is hashed while it is written and synced before the manifest, and the manifest before the folder is renamed. Raises StorageError if
    the disk is full, with older checkpoints unchanged; CheckpointError if the bytes read back differ.
    """
    final = folder / f"step_{state.step:08d}"
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
        try:
            fault_point("checkpoint begun")
            files = {
                NETWORK: to_bytes(_tensors(network.state_dict())),
                AVERAGE: to_bytes(_tensors(average.state_dict())),
                OPTIMIZER: to_bytes(_optimizer_tensors(network, optimizer)),
                STATE: _json({"schema": SCHEMAS[-1], **asdict(state)}),
                CHOICES: _json(about.choices()),
            }
            written = {name: write_file(unfinished / name, data) for name, data in files.items()}
            manifest = Manifest(state.step, written, about.recipe, about.environment)
            manifest.write(unfinished)
            fault_point("checkpoint manifest written")
            unfinished.chmod(0o755)
            sync_folder(unfinished)
            if final.exists():  # a damaged one, from which this run did not resume
                shutil.rmtree(final)
            os.replace(unfinished, final)  # noqa: PTH105 - a folder, in one move
            sync_folder(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    fault_point("checkpoint named")
    manifest.check(final)
    fault_point("checkpoint read back")
    for old in _folders(folder)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    fault_point("checkpoint pruned")
    return Checkpoint(final, replace(state), manifest)  # training continues to change its own state


def latest_checkpoint(folder: Path, warn: Callable[[str], None] = lambda _: None) -> Checkpoint | None:
    """The newest intact checkpoint under `folder`; None if there are no checkpoints.

    A damaged one is reported through `warn`, and the one before it is used. Raises CheckpointError if all are damaged.
    """
    damaged: list[CheckpointError] = []
    for path in reversed(_folders(folder)):
        try:
            checkpoint = _read(path)
            if checkpoint.manifest is not None:
                checkpoint.manifest.check(path)
        except CheckpointError as error:
            damaged.append(error)
            continue
        if damaged:
            warn(f"{damaged[0]}; continuing from the checkpoint before it, of step {checkpoint.state.step}")
        return checkpoint
    if damaged:
        raise CheckpointError(f"{damaged[0]}, and no intact checkpoint is left; start again without --resume")
    return None


def newest_folder(folder: Path) -> Path | None:
    """The folder of the newest checkpoint, without checking its files."""
    folders = _folders(folder)
    return folders[-1] if folders else None


def restore(checkpoint: Checkpoint, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> TrainState:
    """Load the saved tensors into network, average and optimizer; return the saved state."""
    _load_module(network, checkpoint, NETWORK)
    _load_module(average, checkpoint, AVERAGE)
    saved: dict[str, dict[str, Tensor]] = {}
    for key, value in checkpoint.tensors(OPTIMIZER).items():
        name, _, what = key.rpartition("/")
        saved.setdefault(name, {})[what] = value
    for name, parameter in network.named_parameters():
        optimizer.state[parameter] = {
            key: value.to(parameter.device)
            if value.dim() == 0
            else value.to(parameter.device).contiguous(memory_format=_format_of(parameter))
            for key, value in saved.get(name, {}).items()
        }
    return replace(checkpoint.state)


def load_average(checkpoint: Checkpoint, network: nn.Module) -> None:
    """Load the averaged weights into a network."""
    _load_module(network, checkpoint, AVERAGE)


def _format_of(parameter: Tensor) -> torch.memory_format:
    last = parameter.dim() == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _tensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in state.items()}


def _optimizer_tensors(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    # Keyed by the parameter's name, not its position, so that a network may be reordered.
    return _tensors(
        {
            f"{name}/{key}": value
            for name, parameter in network.named_parameters()
            for key, value in optimizer.state.get(parameter, {}).items()
            if isinstance(value, Tensor)
        }
    )


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step_*") if path.is_dir()) if folder.is_dir() else []


def _read(folder: Path) -> Checkpoint:
    manifest = Manifest.read(folder)
    checkpoint = Checkpoint(folder, TrainState(), manifest)
    try:
        stored: dict[str, Any] = json.loads(checkpoint.bytes_of(STATE))
        schema = stored.pop("schema")
        if schema not in SCHEMAS:
            raise CheckpointError(f"{folder}: written by another version of the workbench (this one reads schemas 1 and 2)")
        if (schema == 1) != (manifest is None):
            raise CheckpointError(f"{folder} has no manifest, so it cannot be verified")
        return replace(checkpoint, state=TrainState(**stored))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{folder}: the checkpoint cannot be read ({error})") from error


def _load_module(module: nn.Module, checkpoint: Checkpoint, name: str) -> None:
    try:
        module.load_state_dict(checkpoint.tensors(name))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{checkpoint.folder / name}: does not fit the network of this recipe: {reason}") from error
