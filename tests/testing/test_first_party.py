"""Every registered component conforms: registering a component adds its checks."""

import pytest

from workbench.registry import installed, load
from workbench.testing import NotApplicable, checks

# Small settings for networks that are large by default; further settings of samplers and schedules that have more than one behaviour.
SETTINGS = {
    "unet": [{"channels": 8, "multipliers": (1, 2), "blocks": 1, "attention": (8,)}],
    "small_cnn": [{"channels": 8, "depth": 2}],
    "dit": [{"width": 32, "depth": 2, "heads": 2}],
    "ddim": [{}, {"eta": 0.5}, {"eta": 1.0}],
    "ddpm": [{}, {"variance": "beta"}],
    "ancestral_euler": [{}, {"eta": 0.0}],
    "heun": [{}, {"coordinate": "flow"}],
    "dpmpp_2m_sde": [{}, {"eta": 0.0}, {"eta": 0.5}],
    "unipc": [{}, {"order": 3}],
    "linear": [{}, {"steps": 300}, {"steps": 300, "scale_to_steps": False}, {"zero_terminal_snr": True}],
    "scaled_linear": [{}, {"zero_terminal_snr": True}],
    "cosine": [{}, {"steps": 50}, {"zero_terminal_snr": True}],
    "sigmoid": [{}, {"temperature": 0.3}],
    "edm": [{}, {"rho": 7.0}],
    "cars": [{"image_size": 16}],
}
OURS = "diffusion-workbench-"
# These need other files or packages; their own tests run the kit.
TESTED_ELSEWHERE = ("cifar10", "diffusers", "diffusers_unet")


def cases(kind):
    for entry in installed(kind):
        if entry.distribution.startswith(OURS) and entry.name not in TESTED_ELSEWHERE:
            for fields in SETTINGS.get(entry.name, [{}]):
                for check in checks(kind):
                    marks = pytest.mark.long if entry.name == "cars" else ()  # whose checks draw 9,000 cars each
                    yield pytest.param(entry, fields, check, id=f"{entry.name}{fields or ''}-{check.name}", marks=marks)


def check_conforms(entry, fields, check):
    component = load(entry.kind, entry.qualified)(**fields)
    try:
        check.run(component)
    except NotApplicable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize(("entry", "fields", "check"), list(cases("schedules")))
def test_schedules_conform(entry, fields, check):
    check_conforms(entry, fields, check)


@pytest.mark.parametrize(("entry", "fields", "check"), list(cases("samplers")))
def test_samplers_conform(entry, fields, check):
    check_conforms(entry, fields, check)


@pytest.mark.parametrize(("entry", "fields", "check"), list(cases("denoisers")))
def test_denoisers_conform(entry, fields, check):
    check_conforms(entry, fields, check)


@pytest.mark.parametrize(("entry", "fields", "check"), list(cases("features")))
def test_feature_extractors_conform(entry, fields, check):
    check_conforms(entry, fields, check)


@pytest.mark.parametrize(("entry", "fields", "check"), list(cases("datasets")))
def test_datasets_conform(entry, fields, check, tmp_path):
    if entry.name == "folder":
        write_folder(tmp_path)
        fields = {"root": str(tmp_path)}
    check_conforms(entry, fields, check)


def write_folder(root):
    from PIL import Image

    for name in ("cats", "dogs"):
        (root / name).mkdir()
        for i in range(12):
            Image.effect_noise((40, 40), 60 + i).convert("RGB").save(root / name / f"{i}.png")


def test_no_component_is_left_out():
    for kind in ("schedules", "samplers", "denoisers", "features", "datasets"):
        assert list(cases(kind)), kind
