"""Datasets: drawn cars, folders, photographs, CIFAR-10."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wb_datasets import decoding, listing, walking
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


def save_image(path, color="red", size=(40, 30), **kwargs):
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


def test_drawn_cars_have_all_bodies_paints_and_times():
    cars = [design(0, index) for index in range(2000)]
    assert {car.body for car in cars} == set(BODIES)
    assert len(BODIES) >= 6
    assert {car.paint for car in cars} == set(PAINTS)
    assert {car.time for car in cars} == set(TIMES)
    assert {car.faces_left for car in cars} == {True, False}
    assert min(sum(car.body == body for car in cars) for body in BODIES) > 200
    assert len({paint(car, 16).tobytes() for car in cars[:300]}) == 300


def test_edges_are_antialiased():
    # A hard edge has two levels, a smooth one has levels in between.
    pixels = paint(design(0, 0), 64)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 400


def test_captions_describe_the_car():
    car = next(
        design(0, index)
        for index in range(5000)
        if design(0, index).body == "pickup" and design(0, index).paint == "red" and design(0, index).time == "dusk"
    )
    assert caption(car) == "a red pickup at dusk"
    assert all(caption(design(0, index)).startswith(("a ", "an ")) for index in range(50))


def test_the_drawn_cars_load_as_described():
    resources = Resources(Path(os.environ["WB_CACHE"]))  # shared with other tests
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


def test_the_second_load_draws_nothing(monkeypatch):
    resources = Resources(Path(os.environ["WB_CACHE"]))
    first = Cars(image_size=16).load("test", resources)
    monkeypatch.setattr("wb_datasets.painting.paint", lambda *_: pytest.fail("drawn again"))
    assert torch.equal(Cars(image_size=16).load("test", resources).images([3]), first.images([3]))


def test_a_folder_of_classes(tmp_path, resources):
    for name, color in (("blue", "blue"), ("red", "red")):
        for i in range(60):
            save_image(tmp_path / "data" / name / "deeper" / f"{i}.png", color)
    folder = Folder(root=str(tmp_path / "data"), image_size=16)
    assert folder.describe().classes == ("blue", "red")
    train, test = folder.load("train", resources), folder.load("test", resources)
    assert len(train) + len(test) == 120
    assert 0 < len(test) < 30
    for i in range(len(train)):
        blue, red = train[i].image[2].mean(), train[i].image[0].mean()
        assert train[i].label == int(red > blue)


def test_given_splits_are_used(tmp_path, resources):
    save_image(tmp_path / "data" / "train" / "a" / "1.png")
    save_image(tmp_path / "data" / "test" / "a" / "2.png", "blue")
    save_image(tmp_path / "data" / "test" / "a" / "3.png", "blue")
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
        save_image(folder / "train" / f"good{i}.png")
    whole = save_image(tmp_path / "whole.jpg", size=(200, 200)).read_bytes()
    (folder / "train" / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "train" / "empty.png").write_bytes(b"")
    (folder / "train" / "text.png").write_text("no image")
    Image.new("1", (20_000, 6_000)).save(folder / "train" / "vast.png")
    return folder


def test_bad_images_are_all_named_in_one_error(damaged, resources):
    with pytest.raises(DataError) as caught:
        Folder(root=str(damaged)).load("train", resources)
    message = str(caught.value)
    assert message.startswith("4 of 6 images under ")
    for words in (
        "truncated.jpg: damaged",
        "empty.png: the file is empty",
        "text.png: not an image",
        "vast.png: absurdly large (20000 x 6000 pixels)",
    ):
        assert words in message
    assert "on_bad_image = 'skip'" in message


def test_bad_images_can_be_skipped_counted_and_listed(damaged, resources):
    folder = Folder(root=str(damaged), on_bad_image="skip")
    for _ in range(2):  # decoded, then from the cache
        train = folder.load("train", resources)
        assert len(train) == 2
        assert len(train.images([0, 1])) == 2
        assert len(train.provenance.notes) == 4
        assert any("truncated.jpg" in note for note in train.provenance.notes)


def test_changed_content_is_decoded_again(tmp_path, resources):
    path = save_image(tmp_path / "data" / "train" / "a.png", "red")
    folder = Folder(root=str(tmp_path / "data"), image_size=8)
    first = folder.load("train", resources)
    save_image(path, "blue")
    second = folder.load("train", resources)
    assert first.provenance.fingerprint != second.provenance.fingerprint
    assert second[0].image[2].min() == 1.0


def test_a_damaged_array_is_created_again(tmp_path, resources):
    save_image(tmp_path / "data" / "train" / "a.png", "red")
    folder = Folder(root=str(tmp_path / "data"), image_size=8)
    folder.load("train", resources)
    for path in resources.cache.rglob("*.npy"):
        path.write_bytes(path.read_bytes()[:50])
    assert folder.load("train", resources)[0].image[0].min() == 1.0


@pytest.mark.parametrize("make", [lambda root: Folder(root=root), lambda root: Cars(root=root)])
def test_missing_folders_and_images_are_errors(tmp_path, resources, make):
    with pytest.raises(DataError, match=r"no folder '/.*/nowhere'"):
        make(str(tmp_path / "nowhere")).describe()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images under"):
        make(str(tmp_path / "empty")).load("train", resources)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        make(str(tmp_path / "file")).describe()


@pytest.fixture
def classes(tmp_path):
    """Six images in each of two class folders."""
    for name in ("audi", "bmw"):
        for i in range(6):
            save_image(tmp_path / "data" / name / f"{i}.png", size=(16, 16))
    return tmp_path / "data"


def load(root, resources, split="train"):
    return Folder(root=str(root), image_size=8).load(split, resources)


def count(root):
    folder = Folder(root=str(root), image_size=8)
    return folder.count_examples("train") + folder.count_examples("test")


def test_links_to_folders_and_files_are_followed(classes, tmp_path, resources):
    linked = tmp_path / "linked"
    (linked / "bmw").mkdir(parents=True)
    (linked / "audi").symlink_to(classes / "audi", target_is_directory=True)
    for path in (classes / "bmw").iterdir():
        (linked / "bmw" / path.name).symlink_to(path)
    (tmp_path / "whole").symlink_to(linked, target_is_directory=True)
    for split in ("train", "test"):
        plain = load(classes, resources, split)
        for root in (linked, tmp_path / "whole"):
            assert load(root, resources, split).provenance.fingerprint == plain.provenance.fingerprint
    assert Folder(root=str(linked)).describe().classes == ("audi", "bmw")
    assert Cars(root=str(linked)).count_examples("train") == Folder(root=str(classes)).count_examples("train")


def test_splits_may_be_links_and_a_broken_one_is_an_error(classes, tmp_path, resources):
    split = tmp_path / "split"
    split.mkdir()
    (split / "train").symlink_to(classes, target_is_directory=True)
    (split / "test").symlink_to(classes, target_is_directory=True)
    assert (len(load(split, resources)), len(load(split, resources, "test"))) == (12, 12)
    (split / "test").unlink()
    (split / "test").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"split/test is a link that leads nowhere"):
        Folder(root=str(split)).describe()


@pytest.mark.parametrize("target", [".", "..", "../.."])
def test_a_link_to_a_folder_that_contains_it_is_left_out_and_reported(classes, resources, target):
    (classes / "audi" / "again").symlink_to(target, target_is_directory=True)
    (classes / "loop").symlink_to(classes, target_is_directory=True)
    train = load(classes, resources)
    assert Folder(root=str(classes)).describe().classes == ("audi", "bmw")
    assert count(classes) == 12
    for link in ("audi/again", "loop"):
        assert f"left out {link}: a link to a folder that contains it" in train.provenance.notes


def test_folders_that_link_to_each_other_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(walking, "_MOST_LINKS", 200)
    for name in "abcdef":
        save_image(tmp_path / "data" / name / "0.png")
    for name in "abcdef":
        for other in "abcdef":
            (tmp_path / "data" / name / other).symlink_to(tmp_path / "data" / other)
    with pytest.raises(DataError, match="more than 200 links"):
        count(tmp_path / "data")


def test_links_that_cannot_be_followed_are_reported(classes, resources):
    (classes / "seat").symlink_to(classes / "nowhere")
    (classes / "audi" / "itself").symlink_to("itself")
    notes = load(classes, resources).provenance.notes
    assert notes == ("left out audi/itself: a link that leads nowhere", "left out seat: a link that leads nowhere")


@pytest.mark.parametrize("on_bad_image", ["error", "skip"])
def test_classes_without_images_are_reported(classes, resources, on_bad_image):
    (classes / "tesla").mkdir()
    folder = Folder(root=str(classes), image_size=8, on_bad_image=on_bad_image)
    assert folder.load("train", resources).provenance.notes == ("no image of class 'tesla'",)
    if on_bad_image == "skip":
        (classes / "kia").mkdir()
        (classes / "kia" / "0.png").write_bytes(b"damaged")
        (classes / "kia" / "1.png").write_bytes(b"damaged")
        assert folder.load("train", resources).provenance.notes[0] == "no image of 2 classes: 'kia', 'tesla'"


FOREIGN = [
    "@eaDir/0.png/SYNOPHOTO_THUMB_M.png", "__MACOSX/audi/._0.png", "._0.png", "audi/._0.png", "audi/@eaDir/0.png/SYNOPHOTO_THUMB_S.jpg", ".ipynb_checkpoints/0.png",
    "audi/.ipynb_checkpoints/0-checkpoint.png", "lost+found/0.png", ".thumbnails/normal/0.png", "$RECYCLE.BIN/S-1-5-21/$R0.png", "System Volume Information/0.png",
    "__pycache__/0.png", "#recycle/0.png", "Thumbs.db", "desktop.ini", ".DS_Store", "audi/Thumbs.db",
]  # fmt: skip


@pytest.mark.parametrize("make", [Folder, Cars])
@pytest.mark.parametrize("split", ["train", "test"])
def test_files_of_other_programs_are_left_out(classes, resources, make, split):
    component = make(root=str(classes), image_size=16)
    before = component.load(split, resources)
    for name in FOREIGN:
        save_image(classes / "tmp.png").rename(other := classes / "tmp")
        (classes / name).parent.mkdir(parents=True, exist_ok=True)
        other.rename(classes / name)
    after = component.load(split, resources)
    assert component.describe().classes == ("audi", "bmw")
    assert after.provenance.fingerprint == before.provenance.fingerprint
    assert after.provenance.notes == (
        *before.provenance.notes,
        "left out #recycle and 9 more: stored by another program, not data",
    )


def test_an_image_next_to_class_folders_is_named(classes, tmp_path):
    assert Folder(root=str(classes)).describe().why_no_classes == ""
    save_image(classes / "preview.png")
    spec = Folder(root=str(classes)).describe()
    assert spec.classes == ()
    assert spec.why_no_classes.startswith(f"'preview.png' lies directly in {classes}, next to folders")
    assert count(classes) == 13
    save_image(tmp_path / "flat" / "0.png")
    assert Folder(root=str(tmp_path / "flat")).describe().why_no_classes == ""


@pytest.mark.parametrize("make", [Folder, Cars])
def test_a_folder_without_an_image_is_an_error_before_it_is_load(tmp_path, make):
    (tmp_path / "data" / "audi").mkdir(parents=True)
    save_image(tmp_path / "data" / "__MACOSX" / "0.png")
    (tmp_path / "data" / "audi" / "0.heic").write_bytes(b"")
    with pytest.raises(DataError, match=r"no images under .*0.heic: .heic files are not read.*left out __MACOSX"):
        make(root=str(tmp_path / "data")).describe()


def test_the_order_and_the_split_of_a_folder_do_not_change(tmp_path):
    for i in range(12):
        for name in (f"b/{i}.png", f"a/deeper/{i}.jpg", f"B/{i}.PNG"):
            save_image(tmp_path / "data" / name, size=(8, 8), format="png")
    train, test = (list(listing.list_images(tmp_path / "data", split).files) for split in ("train", "test"))
    assert train == sorted(train)
    assert len(train) + len(test) == 36
    names = [path.relative_to(tmp_path / "data").as_posix() for path in test]
    assert names == ["B/7.PNG", "a/deeper/0.jpg", "a/deeper/7.jpg", "a/deeper/9.jpg", "b/4.png"]


def test_the_source_of_photographs_is_photographs(tmp_path, resources):
    for i in range(30):
        save_image(tmp_path / "photos" / f"{i:03d}.jpg")
    cars = Cars(root=str(tmp_path / "photos"))
    train, test = cars.load("train", resources), cars.load("test", resources)
    assert train.provenance.source == "photographs"
    assert cars.describe().classes == ()
    assert train[0].label is None
    assert len(train) + len(test) == 30


def test_stanford_cars_are_read_in_the_layout_of_torchvision(tmp_path, resources):
    scipy_io = pytest.importorskip("scipy.io")
    base = tmp_path / "stanford_cars"
    (base / "devkit").mkdir(parents=True)
    for split, count in (("train", 3), ("test", 2)):
        for i in range(count):
            save_image(base / f"cars_{split}" / f"{i:05d}.jpg")
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
    """A small CIFAR-10 in torchvision's layout, and its checksums."""
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


def test_cifar10_is_read_in_the_layout_of_torchvision(tmp_path, resources, monkeypatch):
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


def test_a_damaged_or_missing_cifar10_is_an_error(tmp_path, resources):
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
    results = list(examine(CIFAR10(root=str(tmp_path))))
    assert [(result.check.name, result.message) for result in results if result.state != "passed"] == []
