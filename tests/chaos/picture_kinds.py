"""Kinds of image files: their table, and functions that create them.

The modules picture_damage, picture_looks (colours, depths, transparency, metadata) and picture_places (names, links, pipes) fill it.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["BOMBS", "KINDS", "Kind", "shown"]

Put = Callable[[Path], None]
WIDE, TALL = 96, 80
LOSSLESS, JPEG, CMYK = 0, 12, 16  # largest difference of a level


@dataclass(frozen=True)
class Kind:
    """A file: a function that creates it, its pixels [h, w, 3] if any, and the reason that is reported if it is not loaded.

    With both, either is correct: a file without its last bytes may have all its pixels, or be refused. Wrong pixels are always wrong.
    """

    put: Put
    shows: np.ndarray | None = None
    reason: str = ""
    tolerance: int = LOSSLESS
    name: str | bytes = ""


def shown(pixels: np.ndarray, size: int) -> np.ndarray:
    """The centre square of pixels [h, w, 3], reduced: uint8 [size, size, 3]."""
    height, width = pixels.shape[:2]
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = Image.fromarray(np.ascontiguousarray(pixels[top : top + side, left : left + side]))
    return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))


def _photo() -> np.ndarray:
    """Smooth, coloured, and different from all its mirror images."""
    y, x = np.mgrid[0:TALL, 0:WIDE]
    red, green = 255 * x / (WIDE - 1), 255 * y / (TALL - 1)
    blue = 128 + 100 * np.sin(x / 15.0) * np.cos(y / 21.0)
    return np.stack([red, green, blue], -1).round().astype(np.uint8)


PHOTO = _photo()
GREY = PHOTO[..., 0].astype(np.uint16) * 257 // 2 + PHOTO[..., 1].astype(np.uint16) * 128  # 16-bit levels up to 65407
KINDS: dict[str, Kind] = {}
BOMBS: list[str] = []


def three(grey: np.ndarray) -> np.ndarray:
    """Grey levels [h, w] as colours."""
    return np.repeat(grey.round().astype(np.uint8)[..., None], 3, axis=-1)


def over_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours [h, w, 3] blended over white with opacity `alpha` [h, w] of 255."""
    share = alpha[..., None] / 255.0
    return (rgb * share + 255.0 * (1.0 - share)).round().astype(np.uint8)


def saved(image: Image.Image, codec: str, **settings: object) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    image.save(file, codec, **settings)
    return file.getvalue()


def holding(data: bytes) -> Put:
    """A function that writes a file with these bytes."""
    return lambda path: path.write_bytes(data) and None


def kind(
    name: str, suffix: str, what: bytes | Put, shows: np.ndarray | None = None, reason: str = "", tolerance: int = LOSSLESS
) -> None:
    """Add to the table."""
    KINDS[name] = Kind(holding(what) if isinstance(what, bytes) else what, shows, reason, tolerance, f"{name}{suffix}")


def png(width: int, height: int, depth: int, color: int, rows: bytes, *between: bytes) -> bytes:
    """A PNG file from scan lines that start with their filter; `between` are chunks before the pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(between) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def chunk(name: bytes, data: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def lines(pixels: np.ndarray) -> bytes:
    """Scan lines of levels [h, n], unfiltered, in the byte order of PNG."""
    big = pixels.astype(pixels.dtype.newbyteorder(">"))
    return b"".join(b"\0" + row.tobytes() for row in big)


def changed(data: bytes, after: bytes, offset: int) -> bytes:
    """One bit flipped behind the first occurrence of `after`."""
    at = data.index(after) + len(after) + offset
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


photo_image = Image.fromarray(PHOTO)
WHOLE = {
    "jpeg": (".jpg", saved(photo_image, "JPEG", quality=95, subsampling=0), JPEG),
    "progressive": (".jpg", saved(photo_image, "JPEG", quality=95, subsampling=0, progressive=True), JPEG),
    "png": (".png", saved(photo_image, "PNG"), LOSSLESS),
    "webp": (".webp", saved(photo_image, "WEBP", lossless=True), LOSSLESS),
    "gif": (".gif", saved(photo_image.quantize(256), "GIF"), LOSSLESS),
    "bmp": (".bmp", saved(photo_image, "BMP"), LOSSLESS),
    "tiff": (".tif", saved(photo_image, "TIFF"), LOSSLESS),
    "tiff-lzw": (".tif", saved(photo_image, "TIFF", compression="tiff_lzw"), LOSSLESS),
}
