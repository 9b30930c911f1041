"""Unexpected file names, and image names that are not those of a file."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from picture_kinds import JPEG, KINDS, PHOTO, WHOLE, Kind, Put, holding, kind

# Names with a wrong suffix.

kind("png named jpg", ".jpg", WHOLE["png"][1], PHOTO)
kind("jpeg named gif", ".gif", WHOLE["jpeg"][1], PHOTO, tolerance=JPEG)
kind("webp named png", ".png", WHOLE["webp"][1], PHOTO)
kind("capitals", ".PNG", WHOLE["png"][1], PHOTO)
kind("jfif", ".jfif", WHOLE["jpeg"][1], PHOTO, tolerance=JPEG)
NAMES = {
    "line break": "line\nbreak.png",
    "emoji": "car \U0001f697.png",
    "not utf-8": b"caf\xe9 \xff.png",
    "right to left": "\u202egnp.\u05e8\u05db\u05d1.png",
    "250 bytes": "n" * 246 + ".png",
    "markup": "[red]car[/bold].png",  # a folder and a file
    "dash": "--help.png",
    "spaces": "  a  car .png",
    "backslash": "a\\b\\n.png",
    "percent": "100%s{}.png",
    "escape sequence": "\x1b[31mcar.png",
    "glob": "*[!a]?.png",
}
for _name, _file in NAMES.items():
    KINDS[f"name with {_name}"] = Kind(holding(WHOLE["png"][1]), PHOTO, name=_file)
    KINDS[f"damaged and name with {_name}"] = Kind(holding(WHOLE["png"][1][:500]), None, "damaged", name=_file)

# Not a file.


def _folder_with_picture(path: Path) -> None:
    path.mkdir()
    (path / "inside.png").write_bytes(WHOLE["png"][1])


def _link(target: str) -> Put:
    return lambda path: path.symlink_to(target)


def _linked_picture(path: Path) -> None:
    outside = path.parent.parent / "outside.png"
    outside.write_bytes(WHOLE["png"][1])
    path.symlink_to(outside)


def _socket(path: Path) -> None:
    short = Path(f"/tmp/{os.getpid()}.socket")  # a socket's name has 107 bytes at most
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(short))
    short.rename(path)


def _unreadable(path: Path) -> None:
    path.write_bytes(WHOLE["png"][1])
    path.chmod(0)


kind("folder", ".png", lambda path: path.mkdir(), None, "an empty folder")
kind("folder with a picture", ".png", _folder_with_picture, PHOTO)
kind("link to itself", ".png", lambda path: path.symlink_to(path.name), None, "leads nowhere")
kind("dangling link", ".png", _link("nowhere.png"), None, "leads nowhere")
kind("link to a picture", ".png", _linked_picture, PHOTO)
kind("link to a device", ".png", _link("/dev/zero"), None, "a device")
kind("pipe", ".png", lambda path: os.mkfifo(path), None, "a pipe")
kind("socket", ".png", _socket, None, "a socket")
if os.geteuid() != 0:
    kind("unreadable", ".png", _unreadable, None, "Permission denied")
