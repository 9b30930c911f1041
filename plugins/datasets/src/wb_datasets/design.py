"""The design of a drawn car: a few random choices, a function of (seed, index)."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from functools import lru_cache

VERSION = 2  # incremented whenever an image changes

RGB = tuple[int, int, int]

BODIES = ("sedan", "hatchback", "estate", "suv", "pickup", "van", "sports car")
PAINTS: dict[str, RGB] = {
    "red": (196, 30, 38),
    "blue": (34, 84, 178),
    "white": (236, 238, 240),
    "black": (52, 54, 62),
    "silver": (168, 174, 182),
    "green": (36, 118, 74),
    "yellow": (240, 194, 34),
    "orange": (230, 110, 28),
    "turquoise": (30, 158, 168),
    "brown": (118, 78, 54),
}
TIMES = ("day", "dusk", "night", "overcast")
SCENES = ("hills", "city", "trees", "sea")


@dataclass(frozen=True)
class Design:
    """The choices for one image; sizes are fractions of the image's side, or factors near 1."""

    body: str
    paint: str
    shade: RGB  # the paint, slightly varied
    faces_left: bool
    time: str
    scene: str
    length: float
    x: float  # of the rear end
    ground: float  # height of the wheels' contact, from the top
    horizon: float
    tall: float
    wheel: float
    spokes: int
    rim: int  # brightness
    scenery: int  # a seed for hills, houses and clouds


@lru_cache(maxsize=16_384)
def design(seed: int, index: int) -> Design:
    """The car with this index under this seed."""
    # Python guarantees that random() gives the same values in all versions; everything here is computed from it.
    digest = hashlib.blake2b(f"drawn car\0{seed}\0{index}".encode(), digest_size=8).digest()
    rng = random.Random(int.from_bytes(digest, "little"))  # noqa: S311 - images, not secrets

    def pick(choices: tuple[str, ...]) -> str:
        return choices[int(rng.random() * len(choices))]

    def between(low: float, high: float) -> float:
        return low + (high - low) * rng.random()

    body, paint = pick(BODIES), pick(tuple(PAINTS))
    shade = tuple(max(0, min(255, round(level * between(0.9, 1.08)))) for level in PAINTS[paint])
    length = between(0.86, 0.93)
    ground = between(0.76, 0.80)
    return Design(
        body=body,
        paint=paint,
        shade=(shade[0], shade[1], shade[2]),
        faces_left=rng.random() < 0.5,
        time=pick(("day", "day", *TIMES)),
        scene=pick(SCENES),
        length=length,
        x=(1.0 - length) / 2 + between(-0.015, 0.015),
        ground=ground,
        horizon=ground - between(0.14, 0.19),
        tall=between(0.98, 1.05),
        wheel=between(0.97, 1.06),
        spokes=(0, 5, 6, 8)[int(rng.random() * 4)],
        rim=round(between(150, 225)),
        scenery=int(rng.random() * 2**31),
    )


def caption(car: Design) -> str:
    """A line such as "a red pickup at dusk"."""
    when = {"day": "by day", "dusk": "at dusk", "night": "at night", "overcast": "under an overcast sky"}[car.time]
    article = "an" if car.paint[0] in "aeiou" else "a"
    return f"{article} {car.paint} {'SUV' if car.body == 'suv' else car.body} {when}"
