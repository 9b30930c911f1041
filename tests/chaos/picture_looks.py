"""Valid image files of every colour space, depth, transparency and orientation."""

from __future__ import annotations

import struct

import numpy as np
from picture_kinds import CMYK, GREY, JPEG, PHOTO, TALL, WIDE, chunk, kind, lines, over_white, photo_image, png, saved, three
from PIL import Image, ImageCms

# Colours.

kind("grey jpeg", ".jpg", saved(Image.fromarray(PHOTO[..., 0]), "JPEG", quality=95), three(PHOTO[..., 0]), tolerance=JPEG)
_cmyk = np.concatenate([255 - PHOTO, np.full((TALL, WIDE, 1), 60, np.uint8)], -1)  # [h, w, 4] of ink
_inked = ((255.0 - _cmyk[..., :3]) * (255.0 - 60.0) / 255.0).round().astype(np.uint8)
_cmyk_jpeg = saved(Image.fromarray(_cmyk, "CMYK"), "JPEG", quality=95, subsampling=0)
kind("cmyk jpeg", ".jpg", _cmyk_jpeg, _inked, tolerance=CMYK)
kind("cmyk tiff", ".tif", saved(Image.fromarray(_cmyk, "CMYK"), "TIFF"), _inked, tolerance=2)
_ycc = np.concatenate([255 - np.asarray(Image.fromarray(_cmyk[..., :3]).convert("YCbCr")), _cmyk[..., 3:]], -1)
_ycck = saved(Image.fromarray(_ycc, "CMYK"), "JPEG", quality=95, subsampling=0)
_adobe = (
    _ycck.index(b"Adobe") + 11
)  # as Photoshop writes it: luma and chroma of the ink, inverted, which Pillow does when it saves
kind("ycck jpeg", ".jpg", _ycck[:_adobe] + b"\x02" + _ycck[_adobe + 1 :], _inked, tolerance=CMYK)
_half = np.full((20, 20, 3), 119, np.uint8)  # L* = 50.2 in sRGB; older versions of Pillow refuse it
kind("lab tiff", ".tif", saved(Image.new("LAB", (20, 20), (128, 128, 128)), "TIFF"), _half, "damaged", tolerance=1)

# Depths.

_grey = three(GREY / 257.0)
kind("16-bit grey png", ".png", png(WIDE, TALL, 16, 0, lines(GREY)), _grey)
kind("dark 16-bit grey png", ".png", png(WIDE, TALL, 16, 0, lines(GREY // 300)), three(GREY // 300 / 257.0))
_hidden = np.full((TALL, WIDE), 7000, np.uint16)
_hidden[:, ::2] = 30_000
kind(
    "16-bit grey png with a clear level", ".png",
    png(WIDE, TALL, 16, 0, lines(_hidden), chunk(b"tRNS", struct.pack(">H", 7000))),
    three(np.where(_hidden == 7000, 255.0, 30_000 / 257.0)),
)  # fmt: skip
_deep = PHOTO.astype(np.uint16) * 257
_alpha16 = np.full((TALL, WIDE, 1), 0x8080, np.uint16)
kind("16-bit rgb png", ".png", png(WIDE, TALL, 16, 2, lines(_deep.reshape(TALL, -1))), PHOTO, tolerance=1)
kind(
    "16-bit rgb png with a clear colour", ".png",
    png(WIDE, TALL, 16, 2, lines(_deep.reshape(TALL, -1)), chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))),
    PHOTO, tolerance=1,
)  # fmt: skip
kind(
    "16-bit rgba png", ".png",
    png(WIDE, TALL, 16, 6, lines(np.concatenate([_deep, _alpha16], -1).reshape(TALL, -1))),
    over_white(PHOTO, np.full((TALL, WIDE), 128)), tolerance=1,
)  # fmt: skip
kind("16-bit grey tiff", ".tif", saved(Image.fromarray(GREY), "TIFF"), _grey)
kind(
    "16-bit grey big-endian tiff",
    ".tif",
    saved(Image.frombytes("I;16B", (WIDE, TALL), GREY.astype(">u2").tobytes()), "TIFF"),
    _grey,
)
kind("32-bit tiff", ".tif", saved(Image.fromarray(GREY.astype(np.int32)), "TIFF"), _grey)
kind("32-bit tiff beyond 16", ".tif", saved(Image.fromarray(GREY.astype(np.int32) * 999), "TIFF"), None, "of 32 bits")
for _name, _top in (("1", 1.0), ("255", 255.0), ("65535", 65535.0)):
    kind(f"float tiff to {_name}", ".tif", saved(Image.fromarray((GREY / 65535.0 * _top).astype(np.float32)), "TIFF"), _grey)
_nan = np.full((TALL, WIDE), np.nan, np.float32)
kind("float tiff of nan", ".tif", saved(Image.fromarray(_nan), "TIFF"), None, "nan")
kind("float tiff below zero", ".tif", saved(Image.fromarray(-GREY.astype(np.float32)), "TIFF"), None, "levels from")
_bits = PHOTO[..., 0] > 128
kind("1-bit png", ".png", saved(Image.fromarray(_bits), "PNG"), three(_bits * 255))
kind("1-bit tiff g4", ".tif", saved(Image.fromarray(_bits), "TIFF", compression="group4"), three(_bits * 255))
kind("2-bit grey png", ".png", png(8, 8, 2, 0, b"\0\x1b\x1b" * 8), three(np.tile([0.0, 85.0, 170.0, 255.0], (8, 2))))
_four = photo_image.quantize(16)
kind("4-bit palette png", ".png", saved(_four, "PNG", bits=4), np.asarray(_four.convert("RGB")))

# Transparency, over white.

_alpha = np.repeat(np.linspace(0, 255, TALL).astype(np.uint8)[:, None], WIDE, 1)
_rgba = Image.fromarray(np.dstack([PHOTO, _alpha]))
kind("rgba png", ".png", saved(_rgba, "PNG"), over_white(PHOTO, _alpha), tolerance=1)
kind("rgba webp", ".webp", saved(_rgba, "WEBP", lossless=True, exact=True), over_white(PHOTO, _alpha), tolerance=1)
kind("rgba tiff", ".tif", saved(_rgba, "TIFF"), over_white(PHOTO, _alpha), tolerance=1)
_la = Image.fromarray(np.dstack([PHOTO[..., 0], _alpha]), "LA")
kind("grey png with alpha", ".png", saved(_la, "PNG"), over_white(three(PHOTO[..., 0]), _alpha), tolerance=1)
_palette = photo_image.quantize(8)
_index, _colors = np.asarray(_palette), np.asarray(_palette.convert("RGB"))
_see = bytes([0, 128, 255, 255, 255, 255, 255, 255])
kind(
    "palette png with transparency", ".png", saved(_palette, "PNG", transparency=_see),
    over_white(_colors, np.frombuffer(_see, np.uint8)[_index]), tolerance=1,
)  # fmt: skip
_one = np.where(_index == 3, 0, 255)
kind("gif with transparency", ".gif", saved(_palette, "GIF", transparency=3), over_white(_colors, _one))
_two = np.where(_bits[..., None], [10, 200, 30], [200, 10, 90]).astype(np.uint8)
kind(
    "rgb png with a clear colour",
    ".png",
    saved(Image.fromarray(_two), "PNG", transparency=(10, 200, 30)),
    over_white(_two, 255 * ~_bits),
)
kind(
    "grey png with a clear level",
    ".png",
    saved(Image.fromarray(_two[..., 0]), "PNG", transparency=10),
    over_white(three(_two[..., 0]), 255 * ~_bits),
)
kind("all clear", ".png", saved(Image.new("RGBA", (20, 20), (0, 0, 0, 0)), "PNG"), np.full((20, 20, 3), 255, np.uint8))

# Metadata.

_STORED = {  # how the pixels lie in the file for each orientation (EXIF 2.32, 4.6.4 A)
    1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1), 6: lambda x: x.swapaxes(0, 1)[::-1], 7: lambda x: x.swapaxes(0, 1)[::-1, ::-1],
    8: lambda x: x.swapaxes(0, 1)[:, ::-1],
}  # fmt: skip


def _exif(orientation: int, **more: object) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    if "comment" in more:
        exif[0x010E] = more["comment"]
    return exif


for _turn, _turned in _STORED.items():
    _stored = Image.fromarray(np.ascontiguousarray(_turned(PHOTO)))
    kind(
        f"jpeg of orientation {_turn}",
        ".jpg",
        saved(_stored, "JPEG", quality=95, subsampling=0, exif=_exif(_turn)),
        PHOTO,
        tolerance=JPEG,
    )
    kind(f"png of orientation {_turn}", ".png", saved(_stored, "PNG", exif=_exif(_turn)), PHOTO)
kind(
    "webp of orientation 6",
    ".webp",
    saved(Image.fromarray(np.ascontiguousarray(_STORED[6](PHOTO))), "WEBP", lossless=True, exif=_exif(6)),
    PHOTO,
)
kind(
    "tiff of orientation 6",
    ".tif",
    saved(Image.fromarray(np.ascontiguousarray(_STORED[6](PHOTO))), "TIFF", exif=_exif(6)),
    PHOTO,
)
kind(
    "16-bit tiff of orientation 8",
    ".tif",
    saved(Image.fromarray(np.ascontiguousarray(_STORED[8](GREY))), "TIFF", exif=_exif(8)),
    _grey,
)
kind("orientation 9", ".jpg", saved(photo_image, "JPEG", quality=95, subsampling=0, exif=_exif(9)), PHOTO, tolerance=JPEG)
kind(
    "huge exif",
    ".jpg",
    saved(photo_image, "JPEG", quality=95, subsampling=0, exif=_exif(1, comment="x" * 60_000)),
    PHOTO,
    tolerance=JPEG,
)
for _name, _exif_bytes in {
    "broken exif": b"Exif\0\0" + np.random.default_rng(1).bytes(300),
    "exif that points outside": b"Exif\0\0II*\0\xff\xff\xff\x7f",
    "exif with a loop": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\x08\0\0\0",
    "orientation that is text": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0abc\0\0\0\0\0",
}.items():
    kind(_name, ".jpg", saved(photo_image, "JPEG", quality=95, subsampling=0, exif=_exif_bytes), PHOTO, tolerance=JPEG)
    kind(f"{_name} in png", ".png", saved(photo_image, "PNG", exif=_exif_bytes), PHOTO)
_profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
for _name, _icc in {"profile": _profile, "broken profile": b"\0\0\1\0junk" * 90, "profile cut off": _profile[:50]}.items():
    kind(
        f"jpeg with {_name}",
        ".jpg",
        saved(photo_image, "JPEG", quality=95, subsampling=0, icc_profile=_icc),
        PHOTO,
        tolerance=JPEG,
    )
    kind(f"png with {_name}", ".png", saved(photo_image, "PNG", icc_profile=_icc), PHOTO)

# Several images in one file: the first one counts.

_others = [Image.new("RGB", (WIDE, TALL), color) for color in ("red", "blue")]
kind(
    "animated gif",
    ".gif",
    saved(photo_image.quantize(256), "GIF", save_all=True, append_images=_others),
    np.asarray(photo_image.quantize(256).convert("RGB")),
)
kind("animated webp", ".webp", saved(photo_image, "WEBP", save_all=True, append_images=_others, lossless=True), PHOTO)
kind("animated png", ".png", saved(photo_image, "PNG", save_all=True, append_images=_others), PHOTO)
kind("apng", ".apng", saved(photo_image, "PNG", save_all=True, append_images=_others), PHOTO)
kind("tiff of three pages", ".tif", saved(photo_image, "TIFF", save_all=True, append_images=_others), PHOTO)
kind(
    "mpo",
    ".jpg",
    saved(photo_image, "MPO", save_all=True, append_images=_others, quality=95, subsampling=0),
    PHOTO,
    tolerance=JPEG,
)
