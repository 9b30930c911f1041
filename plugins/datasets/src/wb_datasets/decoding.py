"""One image file -> a square of uint8 pixels."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 100_000_000
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})


class BadImage(Exception):
    """Why a file cannot be used, in a few words."""


def decode(data: bytes, size: int) -> Any:
    """The centre square of an image, upright, RGB, antialiased to `size`: uint8 [size, size, 3]. BadImage where it is damaged."""
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not data:
        raise BadImage("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on metadata; what matters is checked here
            image: Image.Image = Image.open(io.BytesIO(data))
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise BadImage(f"absurdly large ({width} x {height} pixels)")
            image.load()
            square = _centre(_rgb(ImageOps.exif_transpose(image)))
            return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))
    except UnidentifiedImageError as error:
        raise BadImage("not an image that can be read") from error
    except Image.DecompressionBombError as error:
        raise BadImage("absurdly large") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, MemoryError) as error:
        raise BadImage(f"damaged ({str(error) or type(error).__name__})") from error


def _centre(image: Image) -> Image:
    """The largest square in the middle; cropped before it is resized, so that nothing outside bleeds in."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _rgb(image: Image) -> Image:
    """RGB; transparency over white, 16-bit levels scaled to 8."""
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        levels = np.asarray(image).astype(np.float64)
        top = 65535.0 if levels.max(initial=0.0) > 255.0 else 255.0
        return Image.fromarray((levels / top * 255.0).clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image.convert("RGB")
