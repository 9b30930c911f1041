"""Datasets: drawn cars, folders, photographs, CIFAR-10."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from wb_datasets import decoding
from wb_datasets.cars import Cars
from wb_datasets.cifar10 import CIFAR10, CLASSES
from wb_datasets.design import BODIES, PAINTS, TIMES, caption, design
from wb_datasets.folder import Folder
from wb_datasets.painting import paint
from workbench.interfaces import DataError, Resources
from workbench.testing import examine


@pytest.fixture
def resources(tmp_path):
    return Resources(tmp_path / "cache")


def picture(path, color="red", size=(40, 30), **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, **kwargs)
    return path


def test_a_drawn_car_is_a_function_of_seed_and_index():
    assert np.array_equal(paint(design(0, 5), 32), paint(design(0, 5), 32))
    assert not np.array_equal(paint(design(0, 5), 32), paint(design(1, 5), 32))
    assert not np.array_equal(paint(design(0, 5), 32), paint(design(0, 6), 32))


@pytest.mark.parametrize("size", [16, 33, 64, 128, 256])
def test_drawn_cars_come_in_any_size_and_look_the_same_at_each(size):
    large = Image.fromarray(paint(design(0, 3), size)).resize((16, 16), Image.Resampling.BOX)
    small = Image.fromarray(paint(design(0, 3), 16))
    assert paint(design(0, 3), size).shape == (size, size, 3)
    assert np.abs(np.asarray(large).astype(float) - np.asarray(small)).mean() < 8


def test_drawn_cars_have_real_variety():
    cars = [design(0, index) for index in range(2000)]
    assert {car.body for car in cars} == set(BODIES)
    assert len(BODIES) >= 6
    assert {car.paint for car in cars} == set(PAINTS)
    assert {car.time for car in cars} == set(TIMES)
    assert {car.faces_left for car in cars} == {True, False}
    assert min(sum(car.body == body for car in cars) for body in BODIES) > 200
    assert len({paint(car, 16).tobytes() for car in cars[:300]}) == 300


def test_edges_are_antialiased():
    # A hard edge has two levels; a smooth one has levels between. Compare with the same picture without smoothing.
    pixels = paint(design(0, 0), 64)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 400


def test_captions_say_what_is_there():
    car = next(
        design(0, index)
        for index in range(5000)
        if design(0, index).body == "pickup" and design(0, index).paint == "red" and design(0, index).time == "dusk"
    )
    assert caption(car) == "a red pickup at dusk"
    assert all(caption(design(0, index)).startswith(("a ", "an ")) for index in range(50))


def test_the_drawn_cars_load_as_described(resources):
    cars = Cars(image_size=16)
    spec, train, test = cars.describe(), cars.load("train", resources), cars.load("test", resources)
    assert (len(train), len(test), spec.shape, spec.classes) == (8000, 1000, (3, 16, 16), BODIES)
    example = train[17]
    assert example.image.shape == (3, 16, 16)
    assert example.image.dtype == torch.float32
    assert -1.0 <= example.image.min() < example.image.max() <= 1.0
    assert BODIES[example.label] == design(0, 17).body
    assert example.caption == caption(design(0, 17))
    assert torch.equal(
        ((example.image + 1) * 127.5).round().to(torch.uint8), torch.from_numpy(paint(design(0, 17), 16).copy()).permute(2, 0, 1)
    )
    assert torch.equal(train.images([17, 3])[0], example.image)
    assert train.labels([17])[0] == example.label
    assert test[0].caption == caption(design(0, 8000))
    assert train.provenance.source == "drawn cars"
    assert train.provenance.fingerprint != test.provenance.fingerprint
    assert torch.equal(pickle.loads(pickle.dumps(test))[5].image, test[5].image)


def test_the_second_load_draws_nothing(resources, monkeypatch):
    first = Cars(image_size=16).load("test", resources)
    monkeypatch.setattr("wb_datasets.painting.paint", lambda *_: pytest.fail("drawn again"))
    assert torch.equal(Cars(image_size=16).load("test", resources).images([3]), first.images([3]))


def test_a_folder_of_classes(tmp_path, resources):
    for name, color in (("blue", "blue"), ("red", "red")):
        for i in range(60):
            picture(tmp_path / "data" / name / "deeper" / f"{i}.png", color)
    folder = Folder(root=str(tmp_path / "data"), image_size=16)
    assert folder.describe().classes == ("blue", "red")
    train, test = folder.load("train", resources), folder.load("test", resources)
    assert len(train) + len(test) == 120
    assert 0 < len(test) < 30
    for i in range(len(train)):
        blue, red = train[i].image[2].mean(), train[i].image[0].mean()
        assert train[i].label == int(red > blue)


def test_given_splits_are_used(tmp_path, resources):
    picture(tmp_path / "data" / "train" / "a" / "1.png")
    picture(tmp_path / "data" / "test" / "a" / "2.png", "blue")
    picture(tmp_path / "data" / "test" / "a" / "3.png", "blue")
    folder = Folder(root=str(tmp_path / "data"))
    assert (len(folder.load("train", resources)), len(folder.load("test", resources))) == (1, 2)


def test_the_centre_square_is_kept_upright(tmp_path):
    wide = Image.new("RGB", (90, 30), "white")
    wide.paste((255, 0, 0), (30, 0, 60, 30))
    wide.save(tmp_path / "wide.png")
    assert decoding.decode((tmp_path / "wide.png").read_bytes(), 10).tolist() == [[[255, 0, 0]] * 10] * 10
    tall = Image.new("RGB", (30, 30), "black")
    tall.paste((255, 255, 255), (0, 0, 30, 15))  # white above
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    tall.rotate(180).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    pixels = decoding.decode((tmp_path / "turned.jpg").read_bytes(), 10)
    assert pixels[:3].mean() > 240
    assert pixels[-3:].mean() < 15


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_every_kind_of_pixel_becomes_rgb(tmp_path, mode):
    image = Image.new("L", (20, 20), 255)
    path = tmp_path / ("x.tif" if mode in ("CMYK", "I;16", "F") else "x.png")
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 20), 65535, dtype=np.uint16))
    elif mode == "CMYK":
        image = Image.new("RGB", (20, 20), "white").convert("CMYK")
    else:
        image = image.convert(mode)
    image.save(path)
    assert decoding.decode(path.read_bytes(), 8).min() >= 254


def test_transparency_is_over_white(tmp_path):
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / "x.png")
    assert decoding.decode((tmp_path / "x.png").read_bytes(), 8).min() == 255


@pytest.fixture
def damaged(tmp_path):
    """Two good images among four bad ones."""
    folder = tmp_path / "data"
    for i in range(2):
        picture(folder / "train" / f"good{i}.png")
    whole = picture(tmp_path / "whole.jpg", size=(200, 200)).read_bytes()
    (folder / "train" / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "train" / "empty.png").write_bytes(b"")
    (folder / "train" / "text.png").write_text("no image")
    Image.new("1", (20_000, 6_000)).save(folder / "train" / "vast.png")
    return folder


def test_bad_images_are_all_named_in_one_error(damaged, resources):
    with pytest.raises(DataError) as caught:
        Folder(root=str(damaged)).load("train", resources)
    told = str(caught.value)
    assert told.startswith("4 of 6 images under ")
    for words in (
        "truncated.jpg: damaged",
        "empty.png: the file is empty",
        "text.png: not an image",
        "vast.png: absurdly large (20000 x 6000 pixels)",
    ):
        assert words in told
    assert "on_bad_image = 'skip'" in told


def test_bad_images_can_be_skipped_counted_and_listed(damaged, resources):
    folder = Folder(root=str(damaged), on_bad_image="skip")
    for _ in range(2):  # decoded, then from the cache
        train = folder.load("train", resources)
        assert len(train) == 2
        assert len(train.images([0, 1])) == 2
        assert len(train.provenance.notes) == 4
        assert any("truncated.jpg" in note for note in train.provenance.notes)


def test_the_cache_notices_changed_content(tmp_path, resources):
    path = picture(tmp_path / "data" / "train" / "a.png", "red")
    folder = Folder(root=str(tmp_path / "data"), image_size=8)
    first = folder.load("train", resources)
    picture(path, "blue")
    second = folder.load("train", resources)
    assert first.provenance.fingerprint != second.provenance.fingerprint
    assert second[0].image[2].min() == 1.0


def test_a_damaged_cache_is_made_again(tmp_path, resources):
    picture(tmp_path / "data" / "train" / "a.png", "red")
    folder = Folder(root=str(tmp_path / "data"), image_size=8)
    folder.load("train", resources)
    for path in resources.cache.rglob("*.npy"):
        path.write_bytes(path.read_bytes()[:50])
    assert folder.load("train", resources)[0].image[0].min() == 1.0


@pytest.mark.parametrize("make", [lambda root: Folder(root=root), lambda root: Cars(root=root)])
def test_what_is_not_there_is_told(tmp_path, resources, make):
    with pytest.raises(DataError, match=r"no folder '/.*/nowhere'"):
        make(str(tmp_path / "nowhere")).describe()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images under"):
        make(str(tmp_path / "empty")).load("train", resources)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        make(str(tmp_path / "file")).describe()


def test_photographs_say_that_they_are_photographs(tmp_path, resources):
    for i in range(30):
        picture(tmp_path / "photos" / f"{i:03d}.jpg")
    cars = Cars(root=str(tmp_path / "photos"))
    train, test = cars.load("train", resources), cars.load("test", resources)
    assert train.provenance.source == "photographs"
    assert cars.describe().classes == ()
    assert train[0].label is None
    assert len(train) + len(test) == 30


def test_stanford_cars_are_read_as_torchvision_lays_them_out(tmp_path, resources):
    scipy_io = pytest.importorskip("scipy.io")
    base = tmp_path / "stanford_cars"
    (base / "devkit").mkdir(parents=True)
    for split, count in (("train", 3), ("test", 2)):
        for i in range(count):
            picture(base / f"cars_{split}" / f"{i:05d}.jpg")
        rows = [(f"{i:05d}.jpg", i % 2 + 1) for i in range(count)]
        annotations = np.array(rows, dtype=[("fname", "O"), ("class", "O")])
        name = base / "devkit" / "cars_train_annos.mat" if split == "train" else base / "cars_test_annos_withlabels.mat"
        scipy_io.savemat(name, {"annotations": annotations})
    scipy_io.savemat(base / "devkit" / "cars_meta.mat", {"class_names": np.array(["A", "B"], dtype=object)})
    for root in (tmp_path, base):
        cars = Cars(root=str(root), image_size=16)
        assert (len(cars.load("train", resources)), len(cars.load("test", resources))) == (3, 2)
        assert cars.describe().shape == (3, 16, 16)


def cifar(folder, per_batch=20):
    """A small CIFAR-10 in torchvision's layout, with checksums that fit."""
    import hashlib

    base = folder / "cifar-10-batches-py"
    base.mkdir(parents=True)
    rng = np.random.default_rng(0)
    sums = {}
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        data = pickle.dumps(
            {"data": rng.integers(0, 256, (per_batch, 3072), dtype=np.uint8), "labels": [i % 10 for i in range(per_batch)]}
        )
        (base / name).write_bytes(data)
        sums[name] = hashlib.md5(data).hexdigest()
    data = pickle.dumps({"label_names": list(CLASSES)})
    (base / "batches.meta").write_bytes(data)
    return sums, hashlib.md5(data).hexdigest()


def test_cifar10_is_read_as_torchvision_lays_it_out(tmp_path, resources, monkeypatch):
    import torchvision

    sums, meta = cifar(tmp_path)
    published = torchvision.datasets.CIFAR10
    monkeypatch.setattr(published, "train_list", [[name, sums[name]] for name, _ in published.train_list])
    monkeypatch.setattr(published, "test_list", [[name, sums[name]] for name, _ in published.test_list])
    monkeypatch.setattr(published, "meta", {**published.meta, "md5": meta})
    every, one = CIFAR10(root=str(tmp_path)), CIFAR10(root=str(tmp_path), only="automobile")
    assert every.describe().classes == CLASSES
    assert (len(every.load("train", resources)), len(every.load("test", resources)), len(one.load("train", resources))) == (
        100,
        20,
        10,
    )
    assert every.load("train", resources)[1].label == 1
    assert torch.equal(one.load("train", resources)[0].image, every.load("train", resources)[1].image)
    assert one.load("train", resources).provenance.source == "CIFAR-10, automobile only"


def test_a_damaged_or_missing_cifar10_is_told(tmp_path, resources):
    cifar(tmp_path)  # the checksums are not the published ones
    with pytest.raises(DataError, match="incomplete or damaged"):
        CIFAR10(root=str(tmp_path)).load("train", resources)
    with pytest.raises(DataError, match="cifar-10-batches-py"):
        CIFAR10(root=str(tmp_path / "cifar-10-batches-py")).describe()


def test_the_photographs_of_stanford_cars(shared, resources):
    cars = Cars(root=str(shared / "data" / "cars64" / "train"), image_size=32)
    train, test = cars.load("train", resources), cars.load("test", resources)
    assert len(train) + len(test) == 6905
    assert 600 < len(test) < 780
    assert train.images(range(64)).std() > 0.3


def test_cifar10_conforms(tmp_path, monkeypatch):
    import torchvision

    sums, meta = cifar(tmp_path)
    published = torchvision.datasets.CIFAR10
    for part in ("train_list", "test_list"):
        monkeypatch.setattr(published, part, [[name, sums[name]] for name, _ in getattr(published, part)])
    monkeypatch.setattr(published, "meta", {**published.meta, "md5": meta})
    outcomes = list(examine(CIFAR10(root=str(tmp_path))))
    assert [(each.check.name, each.message) for each in outcomes if each.state != "passed"] == []
