"""Storage that the core lends to plugins: arrays that are created once, and downloads with a known SHA-256."""

import hashlib
import http.server
import json
import random
import threading

import numpy as np
import pytest

from workbench.files import UNFINISHED, format_bytes, is_in_use
from workbench.interfaces import DownloadError, Resources, StorageError
from workbench.registry import load

CONTENT = random.Random(0).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    """A file server on the loopback interface that breaks off its first answer and supports ranges."""

    class Handler(http.server.BaseHTTPRequestHandler):
        ranges: list[str | None] = []  # noqa: RUF012

        def do_GET(self):
            wanted = self.headers.get("Range")
            Handler.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            if start >= len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            self.wfile.write(CONTENT[start : start + 1_200_000] if len(Handler.ranges) == 1 else CONTENT[start:])

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/file", Handler.ranges
        running.shutdown()
        thread.join()


def test_an_interrupted_download_is_resumed(server, tmp_path):
    url, ranges = server
    seen = []
    resources = Resources(tmp_path, lambda *state: seen.append(state))
    with pytest.raises(DownloadError, match="download failed"):
        resources.fetch(url, SHA256)
    assert not (tmp_path / "downloads" / "file").exists()
    path = resources.fetch(url, SHA256)
    assert path.read_bytes() == CONTENT
    assert ranges == [None, "bytes=1200000-"]
    assert seen[-1] == ("downloading file", 3_000_000, 3_000_000)
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_a_complete_download_is_not_repeated_and_a_damaged_one_is(server, tmp_path):
    url, ranges = server
    ranges.append("the first answer is the broken one")
    path = Resources(tmp_path).fetch(url, SHA256)
    assert Resources(tmp_path).fetch(url, SHA256) == path
    assert len(ranges) == 2
    path.write_bytes(CONTENT[:-1] + b"?")
    assert Resources(tmp_path).fetch(url, SHA256).read_bytes() == CONTENT
    assert len(ranges) == 3


def test_two_downloads_at_once_are_one(server, tmp_path):
    url, ranges = server
    ranges.append("the first answer is the broken one")
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(Resources(tmp_path).fetch(url, SHA256))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [tmp_path / "downloads" / "file"] * 4
    assert len(ranges) == 2
    assert [file.name for file in paths[0].parent.iterdir()] == ["file"]


def test_wrong_bytes_are_deleted(server, tmp_path):
    url, _ = server
    for _ in range(2):
        with pytest.raises(DownloadError, match="download failed|expected " + "0" * 64):
            Resources(tmp_path).fetch(url, "0" * 64)
    assert list((tmp_path / "downloads").iterdir()) == []


@pytest.mark.parametrize("url", ["file:///nowhere/file", "nonsense:file", "http://name:password@127.0.0.1/file"])
def test_a_url_that_cannot_be_followed_leaves_nothing(url, tmp_path):
    with pytest.raises(DownloadError) as caught:
        Resources(tmp_path).fetch(url, SHA256)
    assert "password@" not in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_proxies_of_the_environment_are_used(server, tmp_path, monkeypatch):
    url, ranges = server
    ranges.append("the first answer is the broken one")
    monkeypatch.setenv("http_proxy", url.removesuffix("/file"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    # The name does not exist: only the proxy can have answered.
    assert Resources(tmp_path).fetch("http://weights.invalid/file", SHA256).read_bytes() == CONTENT


def count_up(rows):
    """A function that fills an array with its row numbers, and a list of its calls."""
    calls = []

    def fill(add):
        calls.append(rows)
        for row in range(rows):
            add(np.full((2, 3), row))
        return {"rows": rows}

    return fill, calls


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64", "bool"])
def test_an_array_is_created_once_and_read_back(dtype, tmp_path):
    fill, calls = count_up(4)
    for _ in range(2):
        array, notes = Resources(tmp_path).array("key", (5, 2, 3), dtype, fill)
        assert (array.dtype, array.shape, notes) == (np.dtype(dtype), (4, 2, 3), {"rows": 4})
        assert (array == np.arange(4).astype(dtype)[:, None, None]).all()
        assert not array.flags.writeable
    assert len(calls) == 1
    assert {path.name for path in tmp_path.rglob("*")} == {"arrays", "key.npy", "key.json"}


def test_arrays_keep_the_format_of_earlier_versions(tmp_path):
    # As written before plugins were lent their storage: a checksum over the file and its notes.
    (tmp_path / "images").mkdir()
    np.save(tmp_path / "images" / "key.npy", np.full((4, 2, 3), 7, dtype=np.uint8))
    notes = {"kept": [0, 1], "skipped": []}
    digest = hashlib.blake2b((tmp_path / "images" / "key.npy").read_bytes() + json.dumps(notes, sort_keys=True).encode())
    (tmp_path / "images" / "key.json").write_text(json.dumps({"checksum": digest.hexdigest()[:32], "notes": notes}))
    fill, calls = count_up(4)
    array, read = Resources(tmp_path).array("key", (5, 2, 3), "uint8", fill, folder="images")
    assert (calls, read, int(array.min()), int(array.max())) == ([], notes, 7, 7)


def test_an_array_is_in_use_as_long_as_it_is_mapped(tmp_path):
    path = tmp_path / "arrays" / "key.npy"
    array, _ = Resources(tmp_path).array("key", (4, 2, 3), "uint8", count_up(4)[0])
    last = array[3]
    del array
    assert is_in_use(path)
    del last
    assert not is_in_use(path)


@pytest.mark.parametrize(
    ("rows", "dtype", "message"), [(0, "uint8", "no rows"), (6, "uint8", "more than 5 rows"), (1, "object", "Python objects")]
)
def test_a_wrong_fill_is_named_and_leaves_nothing(rows, dtype, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        Resources(tmp_path).array("key", (5, 2, 3), dtype, count_up(rows)[0])
    assert list((tmp_path / "arrays").iterdir()) == []


def test_errors_of_fill_are_its_own(tmp_path):
    def fill(add):
        raise FileNotFoundError("no such photograph")

    with pytest.raises(FileNotFoundError, match="no such photograph"):
        Resources(tmp_path).array("key", (5, 2, 3), "uint8", fill)


def test_space_is_checked_before_anything_is_computed(tmp_path):
    fill, calls = count_up(1)
    with pytest.raises(StorageError, match=r"key\.npy cannot be written: No space left.*GiB are needed there and .* are free"):
        Resources(tmp_path).array("key", (2**50, 2, 3), "uint8", fill)
    assert calls == []


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".", "a" * 300])
def test_names_stay_inside_the_cache(name, tmp_path):
    resources, fill = Resources(tmp_path), count_up(1)[0]
    for function in (
        lambda: resources.array("key", (1, 2, 3), "uint8", fill, folder=name),
        lambda: resources.fetch("file:///etc/hostname", SHA256, name="file", folder=name),
        lambda: resources.write(name, folder="weights"),
    ):
        with pytest.raises(StorageError):
            function()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_fails_is_not_there(tmp_path):
    resources = Resources(tmp_path)
    with pytest.raises(RuntimeError), resources.write("a.bin", folder="weights") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    with resources.write("a.bin", folder="weights") as temporary:
        assert temporary.name.startswith(UNFINISHED)
        temporary.write_bytes(b"whole")
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["a.bin"]


PLUGIN = """
from pathlib import Path
from typing import final
from pydantic import Field
from workbench.interfaces import Dataset, Example, Examples, Provenance, SampleSpec

class Rows(Examples):
    def __init__(self, pixels, key):
        self.pixels, self.key = pixels, key

    @property
    def provenance(self):
        return Provenance("bytes of a file", "downloaded", self.key)

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        import torch
        return Example(torch.from_numpy(self.pixels[index].copy()).float() / 127.5 - 1)

@final
class Bytes(Dataset):
    url: str = Field(description="where the pixels come from")
    sha256: str = Field(description="of the file")

    def describe(self):
        return SampleSpec(3, 8, 8)

    def load(self, split, resources):
        path = resources.fetch(self.url, self.sha256)

        def fill(add):
            data, size = path.read_bytes(), 3 * 8 * 8
            for row in range(10):
                pixels = memoryview(data)[row * size : (row + 1) * size]
                add(pixels)

        key = f"{split}-{self.sha256[:16]}"
        pixels, _ = resources.array(key, (10, 3, 8, 8), "uint8", fill)
        return Rows(pixels, key)
"""


def test_a_plugin_of_a_third_party_downloads_and_stores(site, tmp_path):
    site.install("bytes-dataset", PLUGIN, {"bytes": "Bytes"}, kind="datasets")
    (tmp_path / "pixels.bin").write_bytes(CONTENT)
    dataset = load("datasets", "bytes")(url=(tmp_path / "pixels.bin").as_uri(), sha256=SHA256)
    resources = Resources(tmp_path / "lent")
    first = dataset.load("train", resources)
    (tmp_path / "pixels.bin").unlink()
    again = dataset.load("train", resources)
    assert (len(first), first[0].image.shape) == (10, (3, 8, 8))
    assert (first.images(range(10)) == again.images(range(10))).all()
    assert again[9].image.flatten()[-1].item() == pytest.approx(CONTENT[10 * 3 * 8 * 8 - 1] / 127.5 - 1)
    stored = {str(path.relative_to(tmp_path / "lent")) for path in (tmp_path / "lent").rglob("*") if path.is_file()}
    assert stored == {f"arrays/train-{SHA256[:16]}.npy", f"arrays/train-{SHA256[:16]}.json", "downloads/pixels.bin"}


def test_sizes_are_printed_in_binary_units():
    assert [format_bytes(count) for count in (0, 2**20, 3 * 2**29)] == ["0.0 MiB", "1.0 MiB", "1.5 GiB"]
