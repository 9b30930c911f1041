"""The car of an image."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

from wb_datasets.bodies import BODY, Body, Point
from wb_datasets.design import RGB, Design
from wb_datasets.scenery import LIGHTS
from wb_datasets.shapes import darken, gradient, lighten, mix, round_corners

RUBBER: RGB = (24, 24, 28)


def draw_car(canvas: Image.Image, car: Design) -> None:
    """Draw the car facing right, from the shadow up to the lamps."""
    _Pen(canvas, car).draw()


class _Pen:
    """Draws the parts of a car; converts its coordinates to pixels."""

    def __init__(self, canvas: Image.Image, car: Design) -> None:
        self.canvas, self.car, self.body = canvas, car, BODY[car.body]
        self.light, self.side = LIGHTS[car.time], canvas.width
        self.draw_on = ImageDraw.Draw(canvas)
        self.paint = darken(car.shade, self.light.dark)
        self.radius = self.body.radius * car.wheel

    def draw(self) -> None:
        self.shadow()
        self.shell()
        self.glass()
        self.lines()
        for x in self.body.wheels:
            self.wheel(x)
        self.lamps()

    def at(self, x: float, y: float) -> Point:
        """Pixels of a point in car lengths."""
        car = self.car
        return self.side * (car.x + car.length * x), self.side * (car.ground - car.length * car.tall * y)

    def points(self, outline: Sequence[Point], times: int = 2) -> list[Point]:
        return [self.at(x, y) for x, y in round_corners(outline, times)]

    def disc(self, x: float, y: float, r: float, color: RGB) -> None:
        cx, cy = self.at(x, y)
        pixels = self.side * self.car.length * r
        self.draw_on.ellipse((cx - pixels, cy - pixels, cx + pixels, cy + pixels), color)

    def width(self, share: float) -> int:
        return max(1, round(self.side * share))

    def shadow(self) -> None:
        (left, _), (right, bottom) = self.at(-0.015, 0.0), self.at(1.015, 0.0)
        deep = self.side * 0.026
        self.draw_on.ellipse((left, bottom - deep, right, bottom + 1.3 * deep), darken(self.light.road, 0.5))
        self.draw_on.ellipse((left + deep, bottom - 0.7 * deep, right - deep, bottom + 0.8 * deep), darken(self.light.road, 0.75))

    def shell(self) -> None:
        body = self.body
        points = self.points(body.outline)
        mask = Image.new("L", self.canvas.size, 0)
        ImageDraw.Draw(mask).polygon(points, 255)
        top, bottom = min(y for _, y in points), max(y for _, y in points)
        belt = self.at(0.0, body.belt)[1]
        share = (belt - top) / (bottom - top)
        # The roof reflects the sky, the shoulder is bright, the sill is dark.
        stops = [
            (0.0, mix(lighten(self.paint, 0.30), self.light.horizon, 0.15)),
            (share * 0.9, self.paint),
            (min(share + 0.06, 0.95), lighten(self.paint, 0.32)),
            (min(share + 0.22, 0.97), self.paint),
            (1.0, darken(self.paint, 0.55)),
        ]
        box = (0, round(top), self.side, round(bottom) + 1)
        self.canvas.paste(gradient((box[2] - box[0], box[3] - box[1]), stops), box[:2], mask.crop(box))
        sill = [self.at(0.03, min(y for _, y in body.outline) + 0.012), self.at(0.97, min(y for _, y in body.outline) + 0.012)]
        self.draw_on.line(sill, darken(self.paint, 0.8), self.width(0.018))

    def glass(self) -> None:
        deep, sky = mix((34, 44, 60), self.light.zenith, 0.25), mix((120, 146, 170), self.light.horizon, 0.4)
        if self.light.lamps:
            sky = darken(sky, self.light.dark)
        for outline in self.body.windows:
            points = self.points(outline, 1)
            self.draw_on.polygon(points, deep)
            left, right = min(x for x, _ in outline), max(x for x, _ in outline)
            low, high = min(y for _, y in outline), max(y for _, y in outline)
            # A band of reflected sky, slanted like the windscreen.
            wide, lean = 0.32 * (right - left), 0.5 * (high - low)
            middle = left + 0.42 * (right - left)
            band = [
                (middle - lean, low),
                (middle - lean + wide, low),
                (middle + lean * 0.4 + wide, high),
                (middle + lean * 0.4, high),
            ]
            inside = [(min(max(x, left + 0.004), right - 0.02), min(max(y, low + 0.004), high - 0.010)) for x, y in band]
            self.draw_on.polygon([self.at(x, y) for x, y in inside], sky)

    def lines(self) -> None:
        body, dark = self.body, darken(self.paint, 0.45)
        sill = min(y for _, y in body.outline) + 0.03
        for x in body.doors:
            self.draw_on.line([self.at(x, body.belt - 0.004), self.at(x, sill)], dark, self.width(0.005))
        for x in body.doors[:-1]:
            self.draw_on.line(
                [self.at(x + 0.03, body.belt - 0.028), self.at(x + 0.065, body.belt - 0.028)], dark, self.width(0.008)
            )
        if body.rails:
            roof = max(y for _, y in body.outline)
            self.draw_on.line(
                [self.at(body.rails[0], roof - 0.004), self.at(body.rails[1], roof - 0.004)],
                darken(self.paint, 0.7),
                self.width(0.009),
            )
        if body.bed:
            self.draw_on.line(
                [self.at(body.bed[0], body.belt - 0.012), self.at(body.bed[1], body.belt - 0.012)], dark, self.width(0.012)
            )
        mirror = max(x for x, _ in body.windows[-1 if body is not BODY["van"] else 0])
        self.draw_on.polygon(
            [
                self.at(mirror - 0.03, body.belt + 0.012),
                self.at(mirror + 0.005, body.belt + 0.012),
                self.at(mirror, body.belt + 0.045),
            ],
            dark,
        )

    def wheel(self, x: float) -> None:
        r, rim = self.radius, self.car.rim
        metal = darken((rim, rim, min(255, rim + 6)), self.light.dark)
        self.disc(x, r * 0.98, r * 1.17, darken(self.paint, 0.86))  # the arch
        self.disc(x, r, r, RUBBER)
        self.disc(x, r, r * 0.66, metal)
        self.disc(x, r, r * 0.56, darken(metal, 0.25 if self.car.spokes == 0 else 0.7))
        for k in range(self.car.spokes):
            angle = math.tau * k / self.car.spokes + 0.3
            # The car may be stretched vertically, wheels are not: spokes use the radius of the disc.
            cx, cy = self.at(x, r)
            reach = self.side * self.car.length * r * 0.6
            self.draw_on.line([(cx, cy), (cx + reach * math.cos(angle), cy + reach * math.sin(angle))], metal, self.width(0.012))
        self.disc(x, r, r * 0.18, metal)

    def lamps(self) -> None:
        tail, head = self.body.lamps
        front = self._front_at(head)
        rear = self._rear_at(tail)
        lit = self.light.lamps
        self.draw_on.polygon(
            [
                self.at(rear + 0.002, tail - 0.022),
                self.at(rear + 0.034, tail - 0.018),
                self.at(rear + 0.03, tail + 0.02),
                self.at(rear + 0.004, tail + 0.022),
            ],
            (255, 48, 40) if lit else (176, 24, 28),
        )
        self.draw_on.polygon(
            [
                self.at(front - 0.062, head + 0.006),
                self.at(front - 0.016, head + 0.018),
                self.at(front - 0.004, head - 0.014),
                self.at(front - 0.05, head - 0.016),
            ],
            (255, 246, 190) if lit else (232, 238, 242),
        )
        bumper = min(y for _, y in self.body.outline) + 0.035
        self.draw_on.line(
            [self.at(front - 0.07, bumper), self.at(front - 0.002, bumper)], darken(self.paint, 0.55), self.width(0.01)
        )
        if lit:
            self._beam(front, head)

    def _beam(self, front: float, head: float) -> None:
        start, far = self.at(front - 0.004, head), self.side
        glow = Image.new("L", self.canvas.size, 0)
        reach = [start, (far, start[1] - 0.02 * self.side), (far, self.at(0.0, -0.02)[1])]
        ImageDraw.Draw(glow).polygon(reach, 110)
        self.canvas.paste((255, 240, 180), (0, 0), glow)

    def _front_at(self, y: float) -> float:
        return max(_crossings(self.body, y))

    def _rear_at(self, y: float) -> float:
        return min(_crossings(self.body, y))


def _crossings(body: Body, y: float) -> list[float]:
    """The x at which the outline crosses the height y."""
    line = round_corners(body.outline)
    pairs = zip(line, line[1:] + line[:1], strict=True)
    return [x0 + (x1 - x0) * (y - y0) / (y1 - y0) for (x0, y0), (x1, y1) in pairs if (y0 - y) * (y1 - y) < 0]
