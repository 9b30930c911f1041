"""Untrusted weights: valid safetensors files are read bit for bit, others are refused in one line; no code in them is run."""

import hashlib
import json
import os
import pickle
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save, save_file

from workbench.errors import WeightsError
from workbench.tensors import DTYPES, MAX_HEADER, read_tensors

F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
EIGHT = bytes(range(8))


def framed(header, data=b""):
    """A file with that header, which is bytes or becomes JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(**changes):
    return framed({"a": {**F32, **changes}}, EIGHT)


def named(name):
    return framed({name: F32}, EIGHT)


def without(key):
    return framed({"a": {name: value for name, value in F32.items() if name != key}}, EIGHT)


def two(first, second, size):
    return framed({name: {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]} for name, (begin, end) in
                   {"a": first, "b": second}.items()}, bytes(size))  # fmt: skip


HOSTILE = {
    "nothing": (b"", "is empty"),
    "seven bytes": (b"\x08" + bytes(6), "do not fit"),
    "zeros": (bytes(4096), "do not fit"),
    "a header of no bytes": (framed(b""), "do not fit"),
    "a header longer than the file": ((100).to_bytes(8, "little") + b"{}", "do not fit"),
    "a header of 2**63 bytes": ((2**63).to_bytes(8, "little") + b"{}", "do not fit"),
    "a header of 2**64 - 1 bytes": (b"\xff" * 8 + b"{}", "do not fit"),
    "a header beyond the limit": (framed(b"{" + b" " * MAX_HEADER + b"}"), "do not fit"),
    "no JSON": (framed(b"{not json}"), "not a valid safetensors file: .*property name"),
    "no UTF-8": (framed(b'{"\xff\xfe": 1}'), "not a valid safetensors file: .*utf-8"),
    "JSON in UTF-16": (framed(json.dumps({"a": F32}).encode("utf-16"), EIGHT), "not a valid safetensors file"),
    "a list": (framed([F32]), "its header is not a table"),
    "a number": (framed(b"12345678"), "its header is not a table"),
    "lists in lists": (framed(b"[" * 100_000 + b"]" * 100_000), "not a valid safetensors file"),
    "an integer of 10,000 digits": (framed(b'{"a": ' + b"9" * 10_000 + b"}"), "not a valid safetensors file"),
    "not a number": (framed(b'{"a": NaN}'), "NaN is not a JSON number"),
    "metadata that are a list": (framed({"__metadata__": ["x"]}), "__metadata__ is not a table of texts"),
    "metadata with a number": (framed({"__metadata__": {"x": 1}}), "__metadata__ is not a table of texts"),
    "an entry that is a list": (framed({"a": [1]}), "is not described by"),
    "no dtype": (without("dtype"), "is not described by"),
    "no shape": (without("shape"), "is not described by"),
    "no offsets": (without("data_offsets"), "is not described by"),
    "a field too many": (entry(code="import os"), "is not described by"),
    "an unknown dtype": (entry(dtype="F33"), "unknown dtype 'F33'"),
    "a dtype that is a list": (entry(dtype=["F32"]), "unknown dtype"),
    "a negative side": (entry(shape=[-2]), r"impossible shape \[-2\]"),
    "two negative sides, whose product is right": (entry(shape=[-1, -2]), "impossible shape"),
    "a side of 2**62": (entry(shape=[2**62]), "impossible shape"),
    "a side of 2**61 in a tensor of nothing": (framed({"a": {**F32, "shape": [0, 2**61, 2**61], "data_offsets": [0, 0]}}), "impossible shape"),
    "sides whose product wraps to two": (entry(shape=[2**33, 2**31 + 1]), "impossible shape"),
    "a side of 2**61": (entry(shape=[2**61]), "takes 9,223,372,036,854,775,808 bytes, and its offsets enclose 8"),
    "a side of 1.5": (entry(shape=[1.5]), "impossible shape"),
    "a side that is true": (entry(shape=[True, 2]), "impossible shape"),
    "a side in quotes": (entry(shape=["2"]), "impossible shape"),
    "a shape that is a number": (entry(shape=2), "impossible shape"),
    "a hundred dimensions": (entry(shape=[2] + [1] * 99), "impossible shape"),
    "a shape larger than its place": (entry(shape=[3]), "takes 12 bytes, and its offsets enclose 8"),
    "a shape smaller than its place": (entry(shape=[1]), "takes 4 bytes, and its offsets enclose 8"),
    "offsets beyond the end": (entry(shape=[4], data_offsets=[0, 16]), "take 16 bytes of 8"),
    "offsets of 2**61": (entry(shape=[2**59], data_offsets=[0, 2**61]), "bytes of 8"),
    "offsets backwards": (entry(data_offsets=[8, 0]), "its offsets enclose -8"),
    "negative offsets": (entry(data_offsets=[-8, 0]), "impossible place"),
    "three offsets": (entry(data_offsets=[0, 4, 8]), "impossible place"),
    "one offset": (entry(data_offsets=[8]), "impossible place"),
    "offsets as text": (entry(data_offsets="08"), "impossible place"),
    "overlapping tensors": (two((0, 6), (4, 10), 10), "overlap or leave gaps"),
    "the same bytes twice": (two((0, 8), (0, 8), 8), "overlap or leave gaps"),
    "a tensor inside of another": (two((0, 8), (2, 4), 8), "overlap or leave gaps"),
    "a gap between tensors": (two((0, 2), (4, 8), 8), "overlap or leave gaps"),
    "a gap at the beginning": (two((2, 4), (4, 8), 8), "overlap or leave gaps"),
    "bytes after the last tensor": (framed({"a": F32}, EIGHT + b"more"), "take 8 bytes of 12"),
    "bytes and no tensor": (framed({}, EIGHT), "take 0 bytes of 8"),
    "a name twice": (framed(b'{"a": %b, "a": %b}' % ((json.dumps(F32).encode(),) * 2), EIGHT), "contains a key twice"),
    "a field twice": (framed(b'{"a": {"dtype": "F32", "dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', EIGHT), "twice"),
    "a name that leads upwards": (named("../../etc/passwd"), "not a valid name of a tensor"),
    "a name that leads upwards on Windows": (named("a\\..\\b"), "not a valid name of a tensor"),
    "a name from the root": (named("/etc/passwd"), "not a valid name of a tensor"),
    "a name with NUL": (named("a\x00b"), "not a valid name of a tensor"),
    "a name with an end of line": (named("a\nerror: b"), "not a valid name of a tensor"),
    "a name that clears the screen": (named("\x1b[2J"), "not a valid name of a tensor"),
    "a name that is written backwards": (named("\u202eb"), "not a valid name of a tensor"),
    "a name that is half a character": (framed(b'{"\\ud800": %b}' % json.dumps(F32).encode(), EIGHT), "not a valid name of a tensor"),
    "a name of 1 MB": (named("a" * 2**20), "not a valid name of a tensor"),
    "no name": (named(""), "not a valid name of a tensor"),
    "a truth value of seven": (framed({"a": {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]}}, b"\x01\x07"), "truth value of 7"),
    "random bytes": (random.Random(0).randbytes(10_000), "do not fit"),
    "a NumPy array": (b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", "a NumPy array"),
    "an HDF5 file": (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
    "a GGUF file": (b"GGUF\x03\x00\x00\x00" + bytes(100), "a GGUF file"),
    "a gzip": (b"\x1f\x8b\x08\x00\xff\xff\xff\xff" + bytes(100), "compressed with gzip"),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "a pointer of Git LFS"),
    "a web page": (b"<!DOCTYPE html><html>Not found</html>", "do not fit"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), HOSTILE.values(), ids=list(HOSTILE))
def test_a_file_that_is_not_safetensors_is_refused_in_one_line_that_names_it(content, message, tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        read_tensors(path)
    assert str(caught.value).startswith(f"{path} ")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < len(str(path)) + 250


class Trap:
    """What leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (Path(self.mark),)


def zipped(data):
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", data)
    return buffer.getvalue()


def saved(value, **options):
    import io

    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


PICKLES = {
    **{f"protocol {number}": lambda trap, number=number: pickle.dumps(trap, protocol=number) for number in range(6)},
    "a list": lambda trap: pickle.dumps([trap], protocol=0),
    "by hand": lambda trap: b"cos\nsystem\n(S'touch " + str(trap.mark).encode() + b"'\ntR.",
    "torch.save": lambda trap: saved({"a": trap}),
    "torch.save of old": lambda trap: saved({"a": trap}, _use_new_zipfile_serialization=False),
    "a ZIP archive": lambda trap: zipped(pickle.dumps(trap)),
}


@pytest.mark.parametrize("make", PICKLES.values(), ids=list(PICKLES))
def test_a_pickle_is_named_as_one_and_never_run(make, tmp_path):
    mark, path = tmp_path / "sprung", tmp_path / "weights.safetensors"
    path.write_bytes(make(Trap(mark)))
    with pytest.raises(WeightsError, match=r"is a (pickle|ZIP archive).*can run code.*save the weights with safetensors"):
        read_tensors(path)
    assert not mark.exists()


def test_the_pickles_of_these_tests_run_code_when_opened(tmp_path):
    pickle.loads(PICKLES["protocol 2"](Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").exists()


def test_a_truncated_file_is_refused_at_every_length(tmp_path):
    path, whole = tmp_path / "a.safetensors", save({"a": torch.randn(40), "b": torch.arange(9)})
    lengths = {len(whole) * tenth // 10 for tenth in range(10)} | {7, 8, 9, len(whole) - 1}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match=r"a\.safetensors is"):
            read_tensors(path)
    path.write_bytes(whole)
    assert set(read_tensors(path)) == {"a", "b"}


def test_a_sparse_file_of_100_gb_is_refused_with_an_empty_and_with_a_valid_header(tmp_path):
    path, size = tmp_path / "hole.safetensors", 10_000_000_000_000
    with path.open("wb") as file:
        file.truncate(100_000_000_000)
    with pytest.raises(WeightsError, match="do not fit"):
        read_tensors(path)
    header = json.dumps({"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        try:
            file.truncate(8 + len(header) + size)
        except OSError:
            pytest.skip("this file system has no files of 10 TB")
    with pytest.raises(WeightsError, match="this machine's memory has"):
        read_tensors(path)


def test_a_file_that_is_not_regular_is_refused_without_waiting(tmp_path):
    pipe, loop, folder = tmp_path / "pipe", tmp_path / "loop", tmp_path / "folder"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    folder.mkdir()
    for path, message in (
        (pipe, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (loop, "Too many levels of symbolic links"),
        (folder, "Is a directory|not a regular file"),
        (tmp_path / "absent", "No such file"),
        (tmp_path / "a\x00b", "cannot be read: embedded null"),
        (tmp_path / ("a" * 300), "File name too long"),
    ):
        with pytest.raises(WeightsError, match=message):
            read_tensors(path)


def test_every_dtype_and_shape_is_read_bit_for_bit(tmp_path):
    path, generator = tmp_path / "all.safetensors", torch.Generator().manual_seed(0)
    tensors = {}
    for dtype in {name for _, name in DTYPES.values()}:
        for shape in ((), (0,), (3,), (2, 0, 5), (2, 3, 1, 5)):
            raw = torch.randint(0, 2 if dtype == "bool" else 256, (*shape, getattr(torch, dtype).itemsize), generator=generator)
            tensors[f"{dtype}{list(shape)}"] = raw.to(torch.uint8).view(getattr(torch, dtype)).reshape(shape)
    save_file(tensors, path, metadata={"format": "pt"})
    read = read_tensors(path)
    assert set(read) == set(tensors)
    for name, value in tensors.items():
        assert (read[name].dtype, read[name].shape) == (value.dtype, value.shape)
        assert read[name].contiguous().reshape(-1).view(torch.uint8).equal(value.contiguous().reshape(-1).view(torch.uint8))


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])
def test_a_header_whose_length_looks_like_a_pickle_is_a_header(length, tmp_path):
    header = json.dumps({"a": F32}).encode().ljust(length)
    assert len(header).to_bytes(8, "little")[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
    (tmp_path / "a").write_bytes(framed(header, EIGHT))
    assert set(read_tensors(tmp_path / "a")) == {"a"}


def test_tensors_can_be_changed_and_saved(tmp_path):
    save_file({"a": torch.ones(3), "b": torch.ones(3)}, tmp_path / "a")
    tensors = read_tensors(tmp_path / "a")
    tensors["a"].zero_()
    assert tensors["b"].equal(torch.ones(3))
    save_file(tensors, tmp_path / "b")
    assert load_file(tmp_path / "b")["a"].equal(torch.zeros(3))


def test_a_changed_byte_is_either_refused_or_read_as_safetensors_reads_it(tmp_path):
    path, rng = tmp_path / "a", random.Random(0)
    whole = save({"layer.weight": torch.randn(3, 4), "layer.bias": torch.arange(5), "flag": torch.tensor([True, False])})
    length = 8 + int.from_bytes(whole[:8], "little")
    refused = 0
    for _ in range(1500):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(length)] = (
                rng.choice(b'0123456789-{}[]",: \x00\xffFUI') if rng.random() < 0.7 else rng.randrange(256)
            )
        path.write_bytes(data)
        try:
            read = read_tensors(path)
        except WeightsError:
            refused += 1
            continue
        peer = load(bytes(data))
        assert set(read) == set(peer)
        for name, value in peer.items():
            assert (read[name].dtype, read[name].shape) == (value.dtype, value.shape)
            assert read[name].reshape(-1).view(torch.uint8).equal(value.reshape(-1).view(torch.uint8))
    assert 500 < refused < 1500


def test_files_that_safetensors_refuses_are_refused(tmp_path):
    """Not the other way round: safetensors takes names and shapes that no network has."""
    path, refused = tmp_path / "a", 0
    for name, (content, _) in HOSTILE.items():
        try:
            load(content)
        except (SafetensorError, RuntimeError, ValueError, KeyError, AssertionError):
            refused += 1
            path.write_bytes(content)
            with pytest.raises(WeightsError):
                read_tensors(path)
        except BaseException as error:
            assert type(error).__name__ == "PanicException", name
    assert refused > 30


def test_the_bytes_that_are_loaded_are_those_that_were_hashed(tmp_path):
    path = tmp_path / "a"
    save_file({"a": torch.zeros(3), "b": torch.arange(4)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_tensors(path, sha256=digest)["b"].equal(torch.arange(4))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert set(read_tensors(path)) == {"a", "b"}
    with pytest.raises(WeightsError, match=rf"a is damaged or another file: its SHA-256 is [0-9a-f]{{64}}, expected {digest}"):
        read_tensors(path, sha256=digest)


def test_a_file_that_is_exchanged_after_it_was_opened_is_read_as_it_was_opened(tmp_path, monkeypatch):
    path, other = tmp_path / "a", tmp_path / "other"
    save_file({"a": torch.zeros(3)}, path)
    save_file({"a": torch.ones(3)}, other)
    digest, check = hashlib.sha256(path.read_bytes()).hexdigest(), os.fstat
    monkeypatch.setattr(os, "fstat", lambda handle: (other.replace(path) if other.exists() else None, check(handle))[1])
    assert read_tensors(path, sha256=digest)["a"].equal(torch.zeros(3))
    assert load_file(path)["a"].equal(torch.ones(3))


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a"
    save_file({"a": torch.zeros(300_000)}, path)
    check = os.fstat
    monkeypatch.setattr(os, "fstat", lambda handle: (check(handle), os.truncate(path, 500_000))[0])
    with pytest.raises(WeightsError, match="cut short while it was read: tensor 'a'"):
        read_tensors(path)


def test_more_bytes_than_were_allowed_are_not_read(tmp_path):
    save_file({"a": torch.zeros(100)}, tmp_path / "a")
    size = (tmp_path / "a").stat().st_size
    assert set(read_tensors(tmp_path / "a", most_bytes=size)) == {"a"}
    with pytest.raises(WeightsError, match=f"has {size} bytes, and at most {size - 1} are expected"):
        read_tensors(tmp_path / "a", most_bytes=size - 1)


# Reads one file after another, each in a process that may take so many bytes more.
READ = """
import json, os, resource, sys
from pathlib import Path
from workbench.errors import WeightsError
from workbench.tensors import read_tensors

read_tensors(Path(sys.argv[1]))  # imports what it needs
for line in sys.stdin:
    path, more = json.loads(line)
    if (pid := os.fork()) == 0:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + more, taken + more))
        try:
            print(sorted(read_tensors(Path(path))), flush=True)
        except WeightsError as error:
            print(error, flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
"""


@pytest.fixture(scope="module")
def read_within(tmp_path_factory):
    """What a process prints that may take so many bytes more for reading a file."""
    small = tmp_path_factory.mktemp("small") / "small"
    save_file({"a": torch.zeros(3)}, small)
    words = [sys.executable, "-c", READ, small]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def read(path, more):
            process.stdin.write(json.dumps([str(path), more]) + "\n")
            process.stdin.flush()
            return process.stdout.readline()

        yield read
        process.stdin.close()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")
def test_reading_takes_the_memory_of_the_tensors_and_no_more(tmp_path, read_within):
    size = 160_000_000
    save_file({f"layer{i}": torch.zeros(size // 16) for i in range(4)}, tmp_path / "large")
    assert read_within(tmp_path / "large", size + 24_000_000) == "['layer0', 'layer1', 'layer2', 'layer3']\n"
    assert "does not fit into memory" in read_within(tmp_path / "large", size - 24_000_000)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")
@pytest.mark.parametrize("what", ["[]", "{}", "0", '"ab"'])
def test_the_memory_that_a_header_takes_is_bounded(what, tmp_path, read_within):
    inside = ",".join([what] * ((MAX_HEADER - 20) // (len(what) + 1)))
    (tmp_path / "bomb").write_bytes(framed(f'{{"a": [{inside}]}}'.encode()))
    assert "is not described by" in read_within(tmp_path / "bomb", 400_000_000)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")
def test_a_sparse_file_of_100_gb_takes_no_memory(tmp_path, read_within):
    header = json.dumps({"a": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}}).encode()
    with (tmp_path / "hole").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(100_000_000_000)
    assert "its tensors take 8 bytes" in read_within(tmp_path / "hole", 16_000_000)
