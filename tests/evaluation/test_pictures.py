"""Images for a run's records."""

import io

import pytest
import torch
from PIL import Image

from workbench.evaluation import pictures


def test_uint8_levels_survive_a_round_trip_through_minus_one_to_one():
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(pictures.to_uint8(levels.float() / 127.5 - 1), levels)
    assert pictures.to_uint8(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]


def test_a_grid_shows_images_row_by_row():
    images = torch.stack([torch.full((3, 32, 32), value, dtype=torch.uint8) for value in (10, 90, 170, 250)])
    image = pictures.grid(images, 2)
    assert image.size == (2 + 2 * 66, 2 + 2 * 66)
    assert [image.getpixel(at)[0] for at in ((30, 30), (100, 30), (30, 100), (100, 100))] == [10, 90, 170, 250]


def test_a_strip_runs_from_noise_to_data_and_an_animation_pauses_at_its_end():
    states = [(1 - k / 300, torch.full((3, 3, 8, 8), -1 + 2 * k / 300)) for k in range(301)]
    strip = pictures.strip(states, 2)
    row = [strip.getpixel((2 + 66 * column + 30, 30))[0] for column in range(11)]
    assert (row[0], row[-1]) == (0, 255)
    assert row == sorted(row)
    gif = Image.open(io.BytesIO(pictures.animation(states, 2)))
    assert gif.n_frames == 40
    gif.seek(39)
    assert gif.info["duration"] == pytest.approx(2500, abs=10)


def test_the_nearest_training_image_of_a_training_image_is_itself():
    class Parts:
        class train:  # noqa: N801 - stands for an attribute
            pixels = torch.randint(0, 256, (2500, 3, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)

            @classmethod
            def images(cls, index):
                return cls.pixels[index].float() / 127.5 - 1

            def __len__(self):
                return 2500

    parts = Parts()
    parts.train = Parts.train()
    samples = Parts.train.pixels[[3, 2400]]
    indices = pictures.nearest(samples, parts, 5)
    assert [row[0] for row in indices] == [3, 2400]
    distances = torch.cdist(samples.float().flatten(1), Parts.train.pixels.float().flatten(1))
    assert indices == distances.topk(5, largest=False).indices.tolist()
