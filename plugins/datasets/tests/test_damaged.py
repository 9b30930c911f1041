"""Damaged and unusual files among photographs, and a cache that is full, truncated or changed."""

import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[3] / "tests" / "chaos"))
from picture_kinds import WHOLE
from pictures import BOMBS, KINDS, outcome

from wb_datasets import decoding
from wb_datasets.folder import Folder
from workbench import storage
from workbench.files import UNFINISHED
from workbench.interfaces import DataError, Resources, StorageError

IMAGES = 40  # of 32 x 32: 120 KiB


@pytest.mark.parametrize("name", KINDS)
def test_a_file_is_loaded_correctly_or_named_with_a_reason(name, tmp_path):
    kind = KINDS[name]
    result = outcome(kind, tmp_path)
    allowed = ({"loaded"} if kind.shows is not None else set()) | ({"named"} if kind.reason else set())
    assert result in allowed


def test_a_flipped_bit_in_a_png_is_detected():
    # Only PNG has a checksum over everything: without checking it, a tenth of these would be loaded with other pixels.
    _, data, _ = WHOLE["png"]
    rng = random.Random(0)
    for _ in range(150):
        flipped = bytearray(data)
        flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        with pytest.raises(decoding.BadImage):
            decoding.decode(bytes(flipped), 16)


def child(code, *words, **environ):
    """Run code in a new process; return its output, parsed as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], env=os.environ | environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_images_that_claim_to_be_huge_take_no_memory(tmp_path):
    code = """
import json, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from pictures import BOMBS, KINDS, outcome
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
results = [outcome(KINDS[name], Path(sys.argv[2], str(i))) for i, name in enumerate(BOMBS)]
print(json.dumps([results, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024]))
"""
    results, mebibytes = child(code, Path(__file__).parents[3] / "tests" / "chaos", tmp_path)
    assert results == ["named"] * len(BOMBS)
    assert mebibytes < 200


def test_if_no_image_is_left_all_are_named(tmp_path):
    root = tmp_path / "data"
    (root / "train").mkdir(parents=True)
    os.mkfifo(root / "train" / "pipe.png")
    (root / "train" / "empty.jpg").touch()
    (root / "train" / "photo.heic").touch()
    with pytest.raises(DataError) as caught:
        Folder(root=str(root), on_bad_image="skip").load("train", Resources(tmp_path / "cache"))
    message = str(caught.value)
    assert message.startswith("2 of 2 images under ")
    assert "pipe.png: a pipe" in message
    assert "empty.jpg: the file is empty" in message
    assert "None of the images can be used" in message


def test_formats_that_are_not_read_are_named_in_the_error(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.heic").touch()
    with pytest.raises(
        DataError, match=r"no images under .*left out 0\.heic and 2 more: \.heic files are not read, convert them"
    ):
        Folder(root=str(tmp_path)).load("train", Resources(tmp_path / "cache"))


def save_image(path, color="red", size=(20, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


def test_hidden_folders_and_stray_pipes_do_not_change_the_classes(tmp_path):
    for name in ("a", "b", ".thumbnails"):
        for i in range(3):
            save_image(tmp_path / "data" / name / f"{i}.png")
    os.mkfifo(tmp_path / "data" / "pipe.png")
    folder = Folder(root=str(tmp_path / "data"), on_bad_image="skip")
    examples = [folder.load(split, Resources(tmp_path / "cache")) for split in ("train", "test")]
    assert folder.describe().classes == ("a", "b")
    assert sum(map(len, examples)) in (6, 12)  # six, or six twice if none is held out
    assert all(split[i].label in (0, 1) for split in examples for i in range(len(split)))


@pytest.mark.parametrize(
    ("place", "message"), [("c/1.png", "a class that the training split has not"), ("1.png", "lies outside")]
)
def test_a_test_image_without_a_class_is_named(tmp_path, place, message):
    for name in ("train/a/1.png", "train/b/1.png", "test/a/1.png", f"test/{place}"):
        save_image(tmp_path / "data" / name)
    with pytest.raises(DataError, match=message):
        Folder(root=str(tmp_path / "data")).load("test", Resources(tmp_path / "cache"))


@pytest.fixture
def photographs(tmp_path):
    """A folder of images of noise, which no file system can compress."""
    rng = np.random.default_rng(0)
    (tmp_path / "data" / "train").mkdir(parents=True)
    for i in range(IMAGES):
        pixels = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        pixels.save(tmp_path / "data" / "train" / f"{i:02d}.png")
    return tmp_path / "data"


LIMITED = """
import json, resource, signal, sys
from pathlib import Path
from wb_datasets.folder import Folder
from workbench.interfaces import Resources, StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
results = []
for size in map(int, sys.argv[3:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        Folder(root=sys.argv[1], image_size=32).load("train", Resources(Path(sys.argv[2])))
        results.append("stored")
    except StorageError as error:
        results.append(str(error))
    results.append(sorted(path.name for path in Path(sys.argv[2]).rglob("*") if path.is_file()))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
results.append(len(Folder(root=sys.argv[1], image_size=32).load("train", Resources(Path(sys.argv[2])))))
print(json.dumps(results))
"""


def test_a_file_size_limit_is_an_error_and_leaves_no_files(photographs, tmp_path):
    whole = IMAGES * 32 * 32 * 3
    sizes = (0, 50, 128, 129, 4096, whole // 2, whole, whole + 127)
    *results, count = child(LIMITED, photographs, tmp_path / "cache", *sizes)
    for message, files in zip(results[::2], results[1::2], strict=True):
        assert re.match(rf"{tmp_path / 'cache' / 'images'}/\w{{32}}\.npy cannot be written: File too large", message)
        assert "up to 0.1 MiB are needed" in message
        assert "ulimit -f" in message
        assert files == []
    assert count == IMAGES


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of one mebibyte."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("reported", [True, False])
def test_a_full_disk_is_an_error_and_a_later_run_works(photographs, tiny_disk, monkeypatch, reported):
    if not reported:  # a network disk that does not report its free space: writing fails
        monkeypatch.setattr(storage, "_check_space", lambda folder, needed: None)
    ballast = tiny_disk / "ballast"
    free = os.statvfs(tiny_disk)
    for free_bytes in (4096, 40_960, IMAGES * 32 * 32 * 3):
        ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - free_bytes))
        with pytest.raises(
            StorageError, match=r"No space left on device; up to 0\.1 MiB are needed .*set WB_HOME to a folder on"
        ):
            Folder(root=str(photographs), image_size=32).load("train", Resources(tiny_disk))
        assert list((tiny_disk / "images").iterdir()) == []
    ballast.unlink()
    assert len(Folder(root=str(photographs), image_size=32).load("train", Resources(tiny_disk))) == IMAGES


def test_a_folder_that_cannot_be_written_is_an_error(photographs, tmp_path):
    (tmp_path / "cache").write_text("a file, where a folder should be")
    with pytest.raises(StorageError, match=r"Not a directory.*Set WB_HOME to a folder that can be written"):
        Folder(root=str(photographs)).load("train", Resources(tmp_path / "cache"))


def test_unfinished_files_of_killed_processes_are_removed_and_those_of_running_ones_are_not(photographs, tmp_path):
    images = tmp_path / "cache" / "images"
    code = """
import sys, time
from pathlib import Path
from workbench.interfaces import Resources
def fill(add):
    print("started", flush=True)
    time.sleep(60)
Resources(Path(sys.argv[1])).array("key", (3, 8, 8, 3), "uint8", fill, folder="images")
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(images.parent)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "started\n"
        Folder(root=str(photographs)).load("train", Resources(tmp_path / "cache"))
        assert len(list(images.glob(f"{UNFINISHED}*"))) == 2  # the array and its notes
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    Folder(root=str(photographs)).load("train", Resources(tmp_path / "cache"))
    assert list(images.glob(f"{UNFINISHED}*")) == []
    assert len(list(images.iterdir())) == 2


def flip_bit(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x01
    path.write_bytes(data)


def truncate(path, at):
    path.write_bytes(path.read_bytes()[:at])


@pytest.mark.parametrize("damage", [flip_bit, truncate])
@pytest.mark.parametrize("suffix", [".npy", ".json"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_changed_array_is_created_again(photographs, tmp_path, damage, suffix, share):
    folder, resources = Folder(root=str(photographs), image_size=32), Resources(tmp_path / "cache")
    first = folder.load("train", resources).images(range(IMAGES))
    (path,) = resources.cache.rglob(f"*{suffix}")
    good = path.read_bytes()
    damage(path, int(len(good) * share))
    assert path.read_bytes() != good
    assert (folder.load("train", resources).images(range(IMAGES)) == first).all()
    assert path.read_bytes() == good
