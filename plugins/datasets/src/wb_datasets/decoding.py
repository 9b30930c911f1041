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
# Files that end up in folders of photographs under an image's name, by mistake or by a failed download.
_OTHER_KINDS = {
    b"<svg": "an SVG drawing",
    b"<?xml": "XML or an SVG drawing",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"%pdf": "a PDF",
    b"%!ps": "PostScript",
    b"pk\x03\x04": "a zip archive",
    b"version https://git-lfs": "a pointer of Git LFS: run git lfs pull",
    b"\x00\x05\x16\x07": "metadata that macOS stores next to a file, not the file",
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
    """The reason why a file cannot be used."""


def decode(data: bytes, size: int) -> Any:
    """Decode the centre square of an image, upright, RGB, antialiased to `size`: uint8 [size, size, 3]. BadImage if it is damaged."""
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise BadImage("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata; damage is checked here
            return _decode(data, size)
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage(f"not an image that can be read{_kind_of_file(data)}") from error
    except Image.DecompressionBombError as error:
        raise BadImage("absurdly large") from error
    except MemoryError as error:
        raise BadImage("does not fit into memory") from error
    except Exception as error:  # parsers of damaged bytes may raise anything
        raise BadImage(f"damaged ({str(error) or type(error).__name__})") from error


def _decode(data: bytes, size: int) -> Any:
    import numpy as np
    from PIL import Image

    image: Image.Image = Image.open(io.BytesIO(data), formats=_formats())
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadImage(f"absurdly large ({width} x {height} pixels)")
    _check_whole(image, data)
    image.load()
    square = _to_rgb(_crop_centre(_turn_upright(_to_eight_bit(image))))
    return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))


@cache
def _formats() -> tuple[str, ...]:
    """All formats of Pillow except PostScript, which it passes to another program."""
    from PIL import Image

    Image.init()
    return tuple(name for name in Image.OPEN if name != "EPS")


def _check_whole(image: Image, data: bytes) -> None:
    """Raise BadImage if pixels are missing or changed although the file can be decoded: decoders return something for any bytes."""
    from PIL import Image

    if image.format == "PNG":
        # Decoding stops at the last row, before its checksum; `verify` checks those of all chunks.
        Image.open(io.BytesIO(data), formats=("PNG",)).verify()
    elif image.format in ("JPEG", "MPO") and not _has_jpeg_end(data):
        # An interrupted download that reserved the space first: zeros are decoded to grey.
        raise BadImage("damaged (the end of the image is missing)")


def _has_jpeg_end(data: bytes) -> bool:
    """True if an end marker follows the first scan; thumbnails, which have their own end marker, are in the segments before it."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xDA:
            return data.find(b"\xff\xd9", at) >= 0
        # Bytes of 0xFF may precede a marker.
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return True  # an unusual structure: the decoder decides


def _kind_of_file(data: bytes) -> str:
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    kind = next((kind for magic, kind in _OTHER_KINDS.items() if start.startswith(magic)), None)
    if data[4:12] in _HEIF:
        kind = "HEIC: convert it to JPEG or PNG"
    return "" if kind is None else f" ({kind})"


def _turn_upright(image: Image) -> Image:
    """Rotate and flip as the EXIF orientation requires; unchanged if it cannot be read."""
    from PIL.Image import Transpose

    try:
        orientation: Any = image.getexif().get(_ORIENTATION)
        turn = _TURNS.get(orientation)
    except MemoryError:
        raise
    except Exception:  # parsers of damaged bytes may raise anything, and the pixels are intact
        turn = None
    return image if turn is None else image.transpose(Transpose[turn])


def _crop_centre(image: Image) -> Image:
    """Crop the largest square in the middle; before resizing, so that no pixel outside contributes."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _to_eight_bit(image: Image) -> Image:
    """Scale grey levels of more than 8 bits to 8; return other images unchanged.

    The maximum of 16-bit files is 65535. That of 32-bit files is not stored: 1 (floats), 255 or 65535, the smallest that holds all levels.
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


def _to_rgb(image: Image) -> Image:
    """Convert to RGB, transparency over white. Embedded colour profiles are not applied."""
    from PIL import Image

    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image.convert("RGB")
