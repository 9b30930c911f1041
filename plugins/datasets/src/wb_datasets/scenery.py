"""The background of a drawn car: sky, landscape, road."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

from wb_datasets.design import RGB, Design
from wb_datasets.shapes import darken, gradient, lighten, mix


@dataclass(frozen=True)
class Light:
    """The colours of a time of day."""

    zenith: RGB
    horizon: RGB
    land: RGB
    road: RGB
    dark: float  # how much darker the paint is
    lamps: bool


LIGHTS: dict[str, Light] = {
    "day": Light((70, 140, 220), (196, 226, 246), (104, 150, 84), (128, 128, 132), 0.0, False),
    "dusk": Light((70, 62, 128), (250, 162, 92), (74, 72, 84), (84, 78, 88), 0.2, True),
    "night": Light((10, 14, 36), (38, 46, 84), (20, 28, 36), (58, 60, 72), 0.30, True),
    "overcast": Light((158, 166, 174), (212, 216, 218), (112, 124, 104), (110, 112, 116), 0.08, False),
}


def draw_scenery(canvas: Image.Image, car: Design) -> None:
    """Fill the canvas with the background."""
    light, rng, side = LIGHTS[car.time], random.Random(car.scenery), canvas.width  # noqa: S311
    horizon = car.horizon * side
    canvas.paste(gradient((side, round(horizon) + 1), [(0.0, light.zenith), (1.0, light.horizon)]), (0, 0))
    draw = ImageDraw.Draw(canvas)
    _sky(draw, car, rng, side)
    {"hills": _hills, "city": _city, "trees": _trees, "sea": _sea}[car.scene](draw, car, rng, side)
    _road(canvas, car, side)


def _sky(draw: ImageDraw.ImageDraw, car: Design, rng: random.Random, side: int) -> None:
    light = LIGHTS[car.time]
    x, y, r = side * (0.12 + 0.76 * rng.random()), side * (0.08 + 0.14 * rng.random()), side * 0.045
    if car.time == "night":
        for _ in range(7):
            sx, sy, sr = side * rng.random(), side * 0.4 * rng.random(), side * 0.009
            draw.ellipse((sx - sr, sy - sr, sx + sr, sy + sr), (210, 214, 236))
        draw.ellipse((x - r, y - r, x + r, y + r), (240, 238, 214))
    elif car.time == "dusk":
        y = side * (car.horizon - 0.07)
        draw.ellipse((x - 1.6 * r, y - 1.6 * r, x + 1.6 * r, y + 1.6 * r), (255, 214, 140))
    else:
        color = lighten(light.horizon, 0.7) if car.time == "day" else darken(light.horizon, 0.06)
        x, y = side * (0.1 + 0.6 * rng.random()), side * (0.08 + 0.12 * rng.random())
        for k in range(3):
            cx, cy, cr = x + side * 0.09 * k, y + side * 0.012 * (k % 2), side * (0.05 + 0.02 * rng.random())
            draw.ellipse((cx - 1.5 * cr, cy - 0.7 * cr, cx + 1.5 * cr, cy + 0.7 * cr), color)


def _hills(draw: ImageDraw.ImageDraw, car: Design, rng: random.Random, side: int) -> None:
    light = LIGHTS[car.time]
    for layer, height in enumerate((0.16, 0.08)):
        phase, waves = rng.random() * math.tau, 0.7 + rng.random()
        points = [
            (
                side * i / 24,
                side * (car.horizon - height * (0.35 + 0.65 * (0.5 + 0.5 * math.sin(phase + waves * math.tau * i / 24)))),
            )
            for i in range(25)
        ]
        draw.polygon(
            [*points, (side, side * car.horizon), (0, side * car.horizon)], mix(light.land, light.horizon, 0.5 - 0.35 * layer)
        )


def _city(draw: ImageDraw.ImageDraw, car: Design, rng: random.Random, side: int) -> None:
    light = LIGHTS[car.time]
    x = -0.05
    while x < 1.0:
        width, height = 0.12 + 0.12 * rng.random(), 0.10 + 0.20 * rng.random()
        wall = mix(darken(light.road, 0.1), light.horizon, 0.35 + 0.2 * rng.random())
        top = car.horizon - height
        draw.rectangle((side * x, side * top, side * (x + width), side * car.horizon), wall)
        if light.lamps:  # some windows are lit
            for column in (0.25, 0.62):
                if rng.random() < 0.6:
                    px, py = x + width * column, top + height * (0.2 + 0.5 * rng.random())
                    draw.rectangle((side * px, side * py, side * (px + 0.03), side * (py + 0.035)), (255, 214, 120))
        x += width + 0.004


def _trees(draw: ImageDraw.ImageDraw, car: Design, rng: random.Random, side: int) -> None:
    light = LIGHTS[car.time]
    x = -0.02
    while x < 1.05:
        r, leaf = 0.08 + 0.05 * rng.random(), darken(light.land, 0.2 + 0.15 * rng.random())
        y = car.horizon - 1.3 * r
        draw.rectangle((side * (x - 0.008), side * y, side * (x + 0.008), side * car.horizon), darken(light.land, 0.6))
        draw.ellipse((side * (x - r), side * (y - 1.1 * r), side * (x + r), side * (y + 0.9 * r)), leaf)
        x += 1.2 * r + 0.06 * rng.random()


def _sea(draw: ImageDraw.ImageDraw, car: Design, rng: random.Random, side: int) -> None:
    light = LIGHTS[car.time]
    water = mix(light.zenith, (30, 80, 110), 0.45)
    draw.rectangle((0, side * (car.horizon - 0.09), side, side * car.horizon), water)


def _road(canvas: Image.Image, car: Design, side: int) -> None:
    light, draw = LIGHTS[car.time], ImageDraw.Draw(canvas)
    verge = side * (car.horizon + 0.35 * (car.ground - car.horizon))
    draw.rectangle((0, side * car.horizon, side, verge), light.land)
    top = round(verge)
    canvas.paste(gradient((side, side - top), [(0.0, lighten(light.road, 0.12)), (1.0, darken(light.road, 0.25))]), (0, top))
    y = side * min(0.965, car.ground + 0.11)
    for k in range(4):
        x = side * (0.30 * k + 0.02)
        draw.polygon(
            [(x, y), (x + side * 0.15, y), (x + side * 0.14, y + side * 0.018), (x - side * 0.01, y + side * 0.018)],
            lighten(light.road, 0.55),
        )
