"""One image file -> a square of uint8 pixels."""

from __future__ import annotations

import io
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 100_000_000
SUFFIXES = frozenset(
    {".apng", ".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
# What the files in folders of photographs are named by mistake, or by a download that failed.
_OTHER_KINDS = {
    b"<svg": "an SVG drawing",
    b"<?xml": "XML or an SVG drawing",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"%pdf": "a PDF",
    b"%!ps": "PostScript",
    b"pk\x03\x04": "a zip archive",
    b"version https://git-lfs": "a pointer of Git LFS: run git lfs pull",
    b"\x00\x05\x16\x07": "what macOS keeps beside a file, not the file",
}
_HEIF = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1", b"ftyphevc")
_ORIENTATION = 0x0112
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


class BadImage(Exception):
    """Why a file cannot be used, in a few words."""


def decode(data: bytes, size: int) -> Any:
    """The centre square of an image, upright, RGB, antialiased to `size`: uint8 [size, size, 3]. BadImage where it is damaged."""
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise BadImage("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on metadata; what matters is checked here
            return _decoded(data, size)
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage(f"not an image that can be read{_what_it_is(data)}") from error
    except Image.DecompressionBombError as error:
        raise BadImage("absurdly large") from error
    except MemoryError as error:
        raise BadImage("does not fit into memory") from error
    except Exception as error:  # a parser that is given damaged bytes may raise anything
        raise BadImage(f"damaged ({str(error) or type(error).__name__})") from error


def _decoded(data: bytes, size: int) -> Any:
    import numpy as np
    from PIL import Image

    image: Image.Image = Image.open(io.BytesIO(data), formats=_formats())
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadImage(f"absurdly large ({width} x {height} pixels)")
    _check_whole(image, data)
    image.load()
    square = _rgb(_centre(_upright(_eight_bit(image))))
    return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))


@cache
def _formats() -> tuple[str, ...]:
    """All that Pillow reads but PostScript, which it would hand to another program."""
    from PIL import Image

    Image.init()
    return tuple(each for each in Image.OPEN if each != "EPS")


def _check_whole(image: Image, data: bytes) -> None:
    """BadImage where pixels are missing or changed although they can be decoded: a decoder makes something of anything."""
    from PIL import Image

    if image.format == "PNG":
        # Decoding stops at the last row, before the checksum over it; this looks at those of all chunks.
        Image.open(io.BytesIO(data), formats=("PNG",)).verify()
    elif image.format in ("JPEG", "MPO") and not _jpeg_has_its_end(data):
        # As a download leaves it that reserved the space first: zeros are decoded to grey.
        raise BadImage("damaged (the end of the picture is missing)")


def _jpeg_has_its_end(data: bytes) -> bool:
    """Whether an end marker follows the first scan; thumbnails, which have one of their own, lie in the segments before it."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xDA:
            return data.find(b"\xff\xd9", at) >= 0
        # Bytes of 0xFF may be put before a marker.
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return True  # built in another way: its decoder decides


def _what_it_is(data: bytes) -> str:
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    kind = next((kind for magic, kind in _OTHER_KINDS.items() if start.startswith(magic)), None)
    if data[4:12] in _HEIF:
        kind = "HEIC: convert it to JPEG or PNG"
    return "" if kind is None else f" ({kind})"


def _upright(image: Image) -> Image:
    """As its EXIF says; as it is stored where that cannot be read."""
    from PIL.Image import Transpose

    try:
        orientation: Any = image.getexif().get(_ORIENTATION)
        turn = _TURNS.get(orientation)
    except MemoryError:
        raise
    except Exception:  # a parser that is given damaged bytes may raise anything, and the pixels are whole
        turn = None
    return image if turn is None else image.transpose(Transpose[turn])


def _centre(image: Image) -> Image:
    """The largest square in the middle; cropped before it is resized, so that nothing outside bleeds in."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _eight_bit(image: Image) -> Image:
    """Grey levels of more than 8 bits, scaled to 8; other images as they are.

    16-bit files count to 65535. Those of 32 bits do not say how far they count: to 1 (floats), 255 or 65535, the least that holds them all.
    """
    import numpy as np
    from PIL import Image

    if not (image.mode.startswith("I") or image.mode == "F"):
        return image
    levels = np.asarray(image).astype(np.float32)
    low, high = float(levels.min()), float(levels.max())
    tops = [65535.0] if image.mode.startswith("I;16") else [1.0, 255.0, 65535.0] if image.mode == "F" else [255.0, 65535.0]
    top = next((top for top in tops if high <= top), None)
    if top is None or not low >= 0.0:  # nan is neither
        raise BadImage(f"levels from {low:g} to {high:g}: of 32 bits, only 0 to 1, to 255 or to 65535 can be read")
    clear = image.info.get("transparency") if image.mode.startswith("I") else None
    hidden = None if clear is None else levels == clear
    levels *= 255.0 / top
    small = Image.fromarray(levels.round(out=levels).astype(np.uint8))
    if hidden is not None:
        small.paste(255, mask=Image.fromarray(hidden))
    small.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return small


def _rgb(image: Image) -> Image:
    """RGB; transparency over white. Embedded colour profiles are not applied."""
    from PIL import Image

    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image.convert("RGB")
