"""Components that can be imported and raise while a recipe is checked: one located error that names their distribution."""

import json
import textwrap

import pytest

from workbench.errors import RecipeError
from workbench.recipe import load

HEAD = {
    "samplers": """
        from pydantic import Field, field_serializer, field_validator, model_validator
        from workbench.interfaces import Sampler
        class Mine(Sampler):
            def step(self, posterior, x, t, s, *, state, noise):
                return posterior(x, t), None
    """,
    "schedules": """
        from pydantic import Field
        from workbench.interfaces import NoiseSchedule
        class Mine(NoiseSchedule):
            def alpha_sigma(self, t):
                return 1.0 - t, t.clone()
            def time(self, logsnr):
                return 1.0 / (1.0 + (0.5 * logsnr).exp())
    """,
    "datasets": """
        from workbench.interfaces import Dataset
        class Mine(Dataset):
            def load(self, split, resources):
                raise NotImplementedError
    """,
    "denoisers": """
        from workbench.interfaces import Denoiser
        class Mine(Denoiser):
            def build(self, spec):
                raise KeyError("no such layer")
    """,
    "features": """
        from workbench.interfaces import FeatureExtractor
        class Mine(FeatureExtractor):
            def card(self): ...
            def build(self, device): ...
    """,
}
VALIDATOR = """
    k: int = 1
    @field_validator("k")
    @classmethod
    def _checked(cls, value):
        {body}
"""
RAISING = {
    "validator raises TypeError": ("samplers", VALIDATOR.format(body="return value + 'x'"), "TypeError: unsupported operand"),
    "validator raises KeyError": ("samplers", VALIDATOR.format(body="return {}[value]"), "KeyError: 2"),
    "validator raises RuntimeError": ("samplers", VALIDATOR.format(body="raise RuntimeError('boom')"), "RuntimeError: boom"),
    "validator ends the process": ("samplers", VALIDATOR.format(body="raise SystemExit(3)"), "SystemExit: 3"),
    "validator never returns from itself": ("samplers", VALIDATOR.format(body="return cls._checked(value)"), "RecursionError"),
    "model validator raises": (
        "samplers",
        "@model_validator(mode='after')\ndef _whole(self): return 1 / 0",
        "ZeroDivisionError: division by zero",
    ),
    "default factory raises": (
        "samplers",
        "k: int = Field(default_factory=lambda: {}['home'])",
        "KeyError: 'home'",
    ),
    "constructor raises": ("samplers", "def model_post_init(self, context): raise OSError('no disk')", "OSError: no disk"),
    "class is not finished": ("samplers", "k: 'Nowhere' = None", "not fully defined"),
    "error without words": (
        "samplers",
        VALIDATOR.format(body="""
        class Mute(Exception):
            def __str__(self): raise ValueError
        raise Mute"""),
        "raised Mute (",
    ),
    "field cannot be written": (
        "samplers",
        "k: int = 1\n@field_serializer('k')\ndef _written(self, value): raise LookupError('unwritable')",
        "writing its fields raised PydanticSerializationError",
    ),
    "alpha_sigma() raises": ("schedules", "def alpha_sigma(self, t): raise ArithmeticError('no root')", "alpha_sigma() raised ArithmeticError: no root"),
    "alpha_sigma() gives three": ("schedules", "def alpha_sigma(self, t): return t, t, t", "alpha_sigma() raised ValueError"),
    "alpha_sigma() is nan": ("schedules", "def alpha_sigma(self, t): return t * float('nan'), t", "(alpha, sigma) at t = 0 is (nan, 0)"),
    "time() raises": ("schedules", "def time(self, logsnr): raise RuntimeError('no inverse')", "time() raised RuntimeError: no inverse"),
    "grid() raises": ("schedules", "def grid(self): return self.steps", "grid() raised AttributeError"),
    "grid() is no number": ("schedules", "def grid(self): return 'fine'", "grid() returned str, not a number of steps or None"),
    "no hash": ("schedules", "k: list[int] = Field([1], description='a list')", "raised TypeError: unhashable type: 'list'"),
    "describe() raises": ("datasets", "def describe(self): return {}['shape']", "describe() raised KeyError: 'shape'"),
    "describe() ends the process": ("datasets", "def describe(self): raise SystemExit('no data')", "describe() raised SystemExit: no data"),
    "describe() is a shape": ("datasets", "def describe(self): return (3, 32, 32)", "describe() returned tuple, not a SampleSpec"),
    "check() raises": ("denoisers", "def check(self, spec): return spec.depth", "check() for images [3, 32, 32] raised AttributeError"),
    "metric() raises": ("features", "def metric(self, family): return {}[family]", 'metric("fd") raised KeyError: \'fd\''),
}  # fmt: skip
RECIPE = """name = "raising"
parameterization = "v"
[dataset]
use = "cars"
[schedule]
use = "cosine"
[denoiser]
use = "small_cnn"
[sampler]
use = "ddim"
[evaluate]
features = []
"""
SLOTS = {"samplers": ("sampler", 10), "schedules": ("schedule", 6), "datasets": ("dataset", 4), "denoisers": ("denoiser", 8)}


def install(site, kind, members):
    """A distribution whose class has these members."""
    head = textwrap.dedent(HEAD[kind])
    site.install(code=head + textwrap.indent(textwrap.dedent(members), "    "), kind=kind)


def recipe(folder, kind, table=""):
    """A recipe that uses the component, everything else of which is sound; and where it is named."""
    text = RECIPE
    if kind == "features":
        text, place = text.replace("features = []", 'features = ["mine"]'), "12: evaluate.features"
    else:
        slot, line = SLOTS[kind]
        before, _, after = text.partition(f"[{slot}]\n")
        text, place = f'{before}[{slot}]\nuse = "mine"\n{table}' + after.partition("\n")[2], f"{line}: {slot}.use"
    path = folder / "recipe.toml"
    path.write_text(text)
    return path, f"{path}:{place}: "


@pytest.mark.parametrize("fault", RAISING)
def test_what_a_component_raises_is_one_located_error_that_names_its_distribution(site, tmp_path, fault):
    kind, members, words = RAISING[fault]
    install(site, kind, members)
    path, place = recipe(tmp_path, kind, "k = 2\n" if "def _checked" in members else "")
    with pytest.raises(RecipeError) as raised:
        load(path)
    (problem,) = raised.value.problems
    text = str(problem)
    assert text.startswith(place), text
    assert words in text
    assert "'mine'" in text
    if " raised " in text:
        assert "'mine' of acme 1.2: " in text


def test_the_command_reports_it_in_one_line_with_exit_code_2(wb, site, tmp_path):
    install(site, "samplers", VALIDATOR.format(body="raise SystemExit(0)"))
    path, _ = recipe(tmp_path, "samplers", "k = 2\n")
    text = " ".join(wb("validate", path, code=2).stderr.split())
    assert f"{path}:10: sampler.use: 'mine' of acme 1.2: making it from its table raised SystemExit: 0 (" in text
    assert "made_acme.py:" in text


def test_explain_reports_a_network_that_cannot_be_built(wb, site, tmp_path):
    install(site, "denoisers", "")
    path, _ = recipe(tmp_path, "denoisers")
    text = " ".join(wb("explain", path, "--device", "cpu", code=2).stderr.split())
    assert text.startswith("error: 'mine' of acme 1.2: build() for images [3, 32, 32] raised KeyError: 'no such layer' (")


def test_other_verbs_report_it_or_work_without_it(wb, site):
    install(site, "samplers", "k: int = Field(default_factory=lambda: {}['home'], description='x')")
    assert (
        "'acme:mine' of acme 1.2: making it from its fields raised KeyError: 'home'"
        in wb("plugins", "check", "mine", code=2).stderr
    )
    assert "describing its fields raised KeyError: 'home'" in wb("show", "mine", code=2).stderr
    assert "ddim" in json.dumps(json.loads(wb("schema").stdout))


def test_the_kit_reports_an_attempt_to_exit_as_a_failure(wb, site):
    install(site, "samplers", "def convergence_order(self): raise SystemExit(0)")
    report = json.loads(wb("plugins", "check", "mine", "--json", code=1).stdout)
    (row,) = [row for row in report["checks"] if row["name"] == "convergence_order"]
    assert (row["state"], row["message"]) == ("failed", "raises SystemExit: 0")
