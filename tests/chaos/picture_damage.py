"""Image files that were truncated or changed, files that are not images, and small files that claim to be huge."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from picture_kinds import BOMBS, JPEG, PHOTO, WHOLE, Put, changed, chunk, kind, photo_image, png, saved
from PIL import Image, PngImagePlugin

# Truncated downloads.

for _name, (_suffix, _data, _tolerance) in WHOLE.items():
    _pixels = np.asarray(photo_image.quantize(256).convert("RGB")) if _name == "gif" else PHOTO
    kind(f"whole {_name}", _suffix, _data, _pixels, tolerance=_tolerance)
    for _tenth in range(1, 10):
        kind(f"{_name} cut at {_tenth}0 %", _suffix, _data[: len(_data) * _tenth // 10], None, "damaged|not an image")
    kind(f"{_name} without its last bytes", _suffix, _data[:-2], _pixels, "damaged|not an image", _tolerance)
    if _name in ("jpeg", "progressive", "png", "gif"):
        _zeros = _data[: len(_data) // 2] + bytes(100_000)
        kind(f"{_name} that ends in zeros", _suffix, _zeros, None, "damaged|not an image")

# Not images.

kind("empty", ".png", b"", None, "the file is empty")
kind("wrong magic", ".png", b"\x88PNG" + WHOLE["png"][1][4:], None, "not an image")
kind("text", ".jpg", b"A sentence.\n" * 50, None, "not an image")
kind("web page", ".jpg", b"\n<!DOCTYPE html><html>404</html>", None, "a web page")
kind("svg in png", ".png", b'<svg xmlns="http://www.w3.org/2000/svg"/>', None, "an SVG drawing")
kind("zip in jpg", ".jpg", b"PK\x03\x04" + bytes(60), None, "a zip archive")
kind("pdf in png", ".png", b"%PDF-1.7\n", None, "a PDF")
kind("postscript", ".png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", None, "PostScript")
kind("git lfs pointer", ".png", b"version https://git-lfs.github.com/spec/v1\n", None, "git lfs pull")
kind("resource fork", ".jpg", b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(60), None, "macOS")
kind("heic in jpg", ".jpg", b"\x00\x00\x00\x18ftypheic" + bytes(60), None, "HEIC")
kind("heic", ".heic", b"\x00\x00\x00\x18ftypheic" + bytes(60), None, r"\.heic files are not read")
kind("svg", ".svg", b"<svg/>", None, r"\.svg files are not read")
kind("noise", ".jpg", np.random.default_rng(0).bytes(5000), None, "not an image")
kind("jpeg magic and noise", ".jpg", b"\xff\xd8\xff" + np.random.default_rng(0).bytes(5000), None, "damaged|not an image")
kind("png head alone", ".png", WHOLE["png"][1][:33], None, "damaged|not an image")

# Damage inside.

for _name, _at in {"IHDR": 14, "IDAT": 60}.items():
    kind(f"bit flipped in {_name}", ".png", changed(WHOLE["png"][1], _name.encode(), _at), None, "damaged|not an image")
_plain = saved(photo_image, "PNG", compress_level=0)
kind("bit flipped in a pixel", ".png", _plain[:9_000] + bytes([_plain[9_000] ^ 0x80]) + _plain[9_001:], None, "damaged")
_info = PngImagePlugin.PngInfo()
_info.add_text("Comment", "a car")
kind(
    "bit flipped in a remark",
    ".png",
    changed(saved(photo_image, "PNG", pnginfo=_info), b"tEXt", 4),
    PHOTO,
    "damaged|not an image",
)
kind("png without its end", ".png", WHOLE["png"][1][:-12], PHOTO, "damaged")
kind("png and bytes behind it", ".png", WHOLE["png"][1] + b"more" * 99, PHOTO)
kind("jpeg and zeros behind it", ".jpg", WHOLE["jpeg"][1] + bytes(4096), PHOTO, tolerance=JPEG)
kind("jpeg and a bad marker", ".jpg", changed(WHOLE["jpeg"][1], b"\xff\xc0", 0), None, "damaged|not an image")
kind(
    "tiff with a wild offset",
    ".tif",
    WHOLE["tiff"][1][:4] + b"\xff\xff\xff\x7f" + WHOLE["tiff"][1][8:],
    None,
    "damaged|not an image",
)


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("inside.txt", "text")


def _polyglot(data: bytes) -> Put:
    def put(path: Path) -> None:
        path.write_bytes(data)
        _zip(path)

    return put


kind("jpeg that is a zip archive too", ".jpg", _polyglot(WHOLE["jpeg"][1]), PHOTO, tolerance=JPEG)
kind("png that is a zip archive too", ".png", _polyglot(WHOLE["png"][1]), PHOTO)

# Sizes.

kind("1 x 1", ".png", saved(Image.new("RGB", (1, 1), (9, 99, 199)), "PNG"), np.full((1, 1, 3), (9, 99, 199), np.uint8))
for _name, _shape in {"1 x 10000": (10_000, 1), "10000 x 1": (1, 10_000)}.items():
    _line = np.full((*_shape, 3), (9, 99, 199), np.uint8)
    kind(_name, ".png", saved(Image.fromarray(_line), "PNG"), _line)
kind("0 x 0", ".png", png(0, 0, 8, 2, b""), None, "damaged|not an image")


def _bomb(name: str, suffix: str, data: bytes | Put, reason: str = "absurdly large|damaged|not an image") -> None:
    BOMBS.append(name)
    kind(name, suffix, data, None, reason)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 * 2**30)


_bomb("png of 50000 x 50000", ".png", png(50_000, 50_000, 8, 2, bytes(99)), "absurdly large")
_bomb("png of 12000 x 12000", ".png", png(12_000, 12_000, 8, 2, bytes(99)), "absurdly large")
_bomb("png just below the limit, cut off", ".png", png(9_999, 9_999, 8, 6, bytes(10**6)), "damaged")
_bomb(
    "png with a text of 64 MiB",
    ".png",
    png(8, 8, 8, 0, bytes(72), chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**26)))),
    "damaged|not an image",
)
_bomb("gif of 65535 x 65535", ".gif", b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\0;")
_bomb(
    "bmp of 60000 x 60000",
    ".bmp",
    b"BM" + struct.pack("<IHHI IiiHHIIiiII", 54, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
)
_bomb("ppm of 99999 x 99999", ".ppm", b"P6 99999 99999 255\n")
_bomb("file of 3 GiB", ".png", _sparse, "absurdly large")
