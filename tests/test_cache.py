"""The contents of the cache folder: listing and clearing."""

import os
import time

import pytest

from workbench.cache import PREPARING, clear, list_contents, select_contents
from workbench.errors import StorageError
from workbench.files import UNFINISHED, exclusive_lock, replace_file, write_bytes
from workbench.interfaces import Resources


def add_rows(add):
    for row in range(4):
        add([row] * 1000)


@pytest.fixture
def filled(tmp_path):
    """A cache with two arrays, features, a kernel, a measurement and a folder of another program."""
    for key in ("a", "b"):
        Resources(tmp_path).array(key, (4, 1000), "uint8", add_rows, folder="images")
    for name in ("features/x.safetensors", "fast_path/host.json", "fast_path/kernels/host/family/k.so", "other/notes.txt"):
        write_bytes(tmp_path / name, bytes(500))
    return tmp_path


def sizes(cache):
    return {content.name: (len(content.entries), content.size) for content in list_contents(cache)}


def test_contents_are_listed_with_number_and_size(filled):
    listed = sizes(filled)
    assert listed["features"] == listed["kernels"] == listed["measurements"] == listed["other"] == (1, 500)
    count, size = listed["images"]
    assert count == 2
    assert size == sum(path.stat().st_size for path in (filled / "images").iterdir()) > 8000
    assert list(listed)[-1] == "other"


@pytest.mark.parametrize("folder", ["missing", "a file"])
def test_without_a_cache_there_is_nothing(folder, tmp_path):
    (tmp_path / "a file").touch()
    assert list_contents(tmp_path / folder) == []


def test_the_last_use_is_that_of_the_file_used_last(filled):
    now = time.time()
    for path in filled.rglob("*.*"):
        os.utime(path, (now - 9000, now - 9000))
    os.utime(filled / "images" / "b.npy", (now - 50, now - 9000))
    images, features, *_ = list_contents(filled)
    assert images.last_used.timestamp() == pytest.approx(now - 50, abs=1.0)
    assert features.last_used.timestamp() == pytest.approx(now - 9000, abs=1.0)


def test_only_what_is_named_is_removed(filled):
    before = sizes(filled)
    result = clear(filled, select_contents(list_contents(filled), ["images", "kernels", "labels"]))
    assert (result.freed, result.removed, result.kept) == (before["images"][1] + 500, 3, ())
    assert sizes(filled) == {name: before[name] for name in ("features", "measurements", "other")}


def test_without_names_folders_of_other_programs_are_left_alone(filled):
    clear(filled, select_contents(list_contents(filled), []))
    assert sizes(filled) == {"other": (1, 500)}


def test_an_unknown_name_is_an_error_that_lists_the_contents(filled):
    with pytest.raises(StorageError, match=r"called 'pictures'; the cache holds: images, features, kernels"):
        select_contents(list_contents(filled), ["pictures"])


def test_an_array_that_is_mapped_is_kept(filled):
    array, _ = Resources(filled).array("a", (4, 1000), "uint8", add_rows, folder="images")
    result = clear(filled, select_contents(list_contents(filled), ["images"]))
    assert (result.removed, result.kept) == (1, (filled / "images" / "a.npy",))
    assert int(array[3, 0]) == 3
    del array
    assert clear(filled, list_contents(filled)).kept == ()


def test_a_file_that_is_being_written_is_kept_and_what_a_killed_process_left_is_not(filled):
    (filled / "images" / f"{UNFINISHED}killed.npy").touch()
    with replace_file(filled / "images" / "new.npy") as temporary:
        temporary.write_bytes(b"half")
        assert clear(filled, list_contents(filled)).kept == (temporary,)
        assert list((filled / "images").iterdir()) == [temporary]


def test_kernels_that_are_being_built_are_kept(filled):
    with exclusive_lock(filled / "fast_path" / "kernels" / "host" / ".family.lock"):
        result = clear(filled, select_contents(list_contents(filled), ["kernels", "measurements"]))
    assert (result.removed, result.kept) == (1, (filled / "fast_path" / "kernels" / "host",))


def test_nothing_is_removed_while_a_sweep_worker_prepares(filled):
    with exclusive_lock(filled / PREPARING), pytest.raises(StorageError, match="a sweep worker prepares"):
        clear(filled, list_contents(filled))
    assert "images" in sizes(filled)


def test_links_are_not_followed(filled, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious.txt").write_text("x" * 10_000)
    (filled / "images" / "link").symlink_to(elsewhere)
    (filled / "fast_path" / "kernels" / "host" / "link").symlink_to(elsewhere)
    assert sizes(filled)["images"][1] < 10_000
    clear(filled, list_contents(filled))
    assert (elsewhere / "precious.txt").exists()
