"""Inception features, on which FID is defined."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, final

from pydantic import Field

from wb_features import files
from workbench.interfaces import (
    DownloadError,
    ExtractorCard,
    FeatureExtractor,
    LocalPath,
    WeightsError,
    WeightsFile,
    read_tensors,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from wb_features.inception_network import InceptionNetwork

URL = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
URL_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
VARIABLE = "WB_INCEPTION_WEIGHTS"
NAME = "inception.safetensors"
LARGEST = 2**30  # bytes; the network takes a tenth of it
HOW_TO_GET = (
    "Download them with `wb weights get inception` (95 MB), or add a file with `wb weights add inception FILE`; "
    "for distances without a download: features = ['efficientnet_lite0']."
)


@final
class Inception(FeatureExtractor):
    """The Inception-v3 graph of 2015-12-05, whose 2048-d pool3 features FID and KID are defined on.

    Heusel et al. 2017 (arXiv:1706.08500). `dims` = 768, 192 or 64 select earlier features; their distances are called `fid_768` and so on,
    because they are different numbers. Images are resized to 299 px, bilinear without antialiasing, as in pytorch-fid. In fp32, features equal
    pytorch-fid's up to rounding. In bf16 the Fréchet distance of 2 x 5,000 photographs differed from that by 0.1 % (docs/performance.md);
    the card contains the precision.
    """

    dims: Literal[2048, 768, 192, 64] = Field(2048, description="feature dimension: 2048 is FID, the others are earlier layers")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="fp32: exactly as pytorch-fid; bf16: other rounding, faster on CPUs with instructions for it; auto: bf16 if it is faster",
    )
    weights: LocalPath | None = Field(
        None, description=f"a safetensors file [the file named by {VARIABLE}, else the one that `wb weights` installed]"
    )

    def metric(self, family: Literal["fd", "kid"]) -> str:
        """`fid` or `kid`, with the dimension unless it is 2048."""
        name = "fid" if family == "fd" else "kid"
        return name if self.dims == 2048 else f"{name}_{self.dims}"

    def on(self, device: torch.device) -> Inception:
        """Return a copy with the precision for the device."""
        from wb_features.folded import choose_precision

        return self.model_copy(update={"precision": choose_precision(self.precision, device)})

    def card(self) -> ExtractorCard:
        """Return the card with the hash of the weights file in use; WeightsError if there is none."""
        digest = files.sha256(self._path())
        return ExtractorCard("inception-2015-12-05", digest, "bilinear to 299, no antialiasing", self.dims, self.precision)

    def build(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Return a function from uint8 images [b, 3, h, w] to features [b, dims]."""
        import torch

        from wb_features.folded import DTYPES, choose_precision

        dtype = DTYPES[choose_precision(self.precision, device)]
        network = _network(self.dims, self._path()).fold_norms().to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

        @torch.inference_mode()
        def features(images: Tensor) -> Tensor:
            return network(images.to(device)).cpu()

        return features

    def _path(self) -> Path:
        for source, path in (("weights", self.weights), (VARIABLE, _path_from_environment())):
            if path is not None:
                with contextlib.suppress(OSError):  # not a valid file name
                    if path.is_file():
                        return path
                raise WeightsError(f"inception: no file {path!s:.200} (named by {source}). {HOW_TO_GET}")
        stored = files.stored_path(NAME)
        if not stored.is_file():
            raise WeightsError(f"inception: its weights are not installed. {HOW_TO_GET}")
        return stored

    @classmethod
    def weights_files(cls) -> list[WeightsFile]:
        """List the installed file and the one that the environment names."""
        paths = [files.stored_path(NAME), *filter(None, [_path_from_environment()])]
        return [WeightsFile(path, files.sha256(path), _usable_dims(path)) for path in paths if path.is_file()]

    @classmethod
    def add_weights(cls, path: Path) -> WeightsFile:
        """Store a copy of a safetensors file whose tensors fit."""
        note = _usable_dims(path)
        stored = files.stored_path(NAME)
        with files.resources().write(NAME, folder=files.FOLDER) as temporary:
            temporary.write_bytes(path.read_bytes())
            _usable_dims(temporary)  # check the copy: the file may have changed meanwhile
        return WeightsFile(stored, files.sha256(stored), note)

    @classmethod
    def fetch_weights(cls, progress: Callable[[int, int], None], url: str | None = None) -> WeightsFile:
        """Download pytorch-fid's file, check it, and store its tensors as safetensors."""
        from safetensors.torch import save_file

        resources = files.resources(lambda what, done, total: progress(done, total))
        try:
            official = resources.fetch(url or URL, URL_SHA256, name=Path(URL).name, folder=files.FOLDER)
        except DownloadError as error:
            raise WeightsError(f"{error}. To use a file from another source: wb weights add inception FILE") from error
        tensors = files.read_weights(official, URL_SHA256, "download it again")
        stored = files.stored_path(NAME)
        with resources.write(NAME, folder=files.FOLDER) as temporary:
            save_file({name: value.contiguous() for name, value in tensors.items() if not name.startswith("fc.")}, temporary)
        official.unlink()
        return WeightsFile(stored, files.sha256(stored), _usable_dims(stored))


def _path_from_environment() -> Path | None:
    """The absolute path of the file named by the environment variable, if it is set."""
    text = os.environ.get(VARIABLE)
    return Path(os.path.expanduser(text)).absolute() if text else None  # noqa: PTH111 - keeps the ~ of an unknown user


def _usable_dims(path: Path) -> str:
    """The `dims` for which a file has all weights, as text; WeightsError if there are none."""
    tensors = read_tensors(path, most_bytes=LARGEST)
    fitting = [dims for dims in (2048, 768, 192, 64) if not _missing_layers(dims, tensors)]
    if not fitting:
        raise WeightsError(
            f"{path}: not weights of the FID Inception network (Conv2d_1a_3x3.conv.weight and others are missing or have other shapes)"
        )
    return f"dims {', '.join(map(str, fitting))}"


def _missing_layers(dims: int, tensors: dict[str, Tensor]) -> list[str]:
    import torch

    from wb_features.inception_network import InceptionNetwork

    with torch.device("meta"):
        wanted = InceptionNetwork(dims).state_dict()
    return [
        name
        for name, value in wanted.items()
        if not name.endswith("num_batches_tracked") and (name not in tensors or tensors[name].shape != value.shape)
    ]


def _network(dims: int, path: Path) -> InceptionNetwork:
    from wb_features.inception_network import InceptionNetwork

    tensors = read_tensors(path, most_bytes=LARGEST)
    missing = _missing_layers(dims, tensors)
    if missing:
        blocks = sorted({name.rpartition(".conv.")[0] or name.rpartition(".bn.")[0] for name in missing})
        shown = ", ".join(blocks[:4]) + (f" and {len(blocks) - 4} more" if len(blocks) > 4 else "")
        raise WeightsError(f"{path}: {dims}-d features need layers that this file lacks: {shown}. {_alternatives(tensors)}")
    network = InceptionNetwork(dims)
    network.load_state_dict({name: tensors[name] for name in network.state_dict() if name in tensors}, strict=False)
    return network.eval().requires_grad_(False)


def _alternatives(tensors: dict[str, Tensor]) -> str:
    fitting = [str(dims) for dims in (768, 192, 64) if not _missing_layers(dims, tensors)]
    return f"It is complete for dims = {' or '.join(fitting)}. {HOW_TO_GET}" if fitting else HOW_TO_GET
