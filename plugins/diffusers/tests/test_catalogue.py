"""Bridged and refused schedulers, and their options."""

import inspect
import subprocess
import sys

import pytest

pytest.importorskip("wb_diffusers", reason="diffusion-workbench-diffusers is not installed (make peers)")

from pydantic import ValidationError

from wb_diffusers.catalogue import BRIDGED, REFUSED
from wb_diffusers.options import constructor_arguments
from wb_diffusers.sampler import DiffusersSampler

pytestmark = pytest.mark.peers


def test_every_scheduler_of_the_installed_version_is_bridged_or_refused():
    from diffusers import schedulers

    offered = {name for names in schedulers._import_structure.values() for name in names if name.endswith("Scheduler")}
    assert set(BRIDGED) | set(REFUSED) == offered
    assert set(BRIDGED) & set(REFUSED) == set()
    assert len(BRIDGED) == 27


@pytest.mark.parametrize("name", REFUSED)
def test_schedulers_that_cannot_be_bridged_are_refused_with_the_reason(name):
    with pytest.raises(ValidationError, match=f"'{name}' cannot be bridged: ") as caught:
        DiffusersSampler(scheduler=name)
    assert REFUSED[name] in str(caught.value)


def test_a_name_that_does_not_exist_gets_a_suggestion():
    with pytest.raises(ValidationError, match="did you mean 'DPMSolverMultistepScheduler'"):
        DiffusersSampler(scheduler="DPMSolverMultiStepScheduler")


@pytest.mark.parametrize(
    ("scheduler", "options", "message"),
    [
        ("DPMSolverMultistepScheduler", {"solver_oder": 3}, "did you mean 'solver_order'"),
        ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}, "decided by the recipe's schedule"),
        ("DDIMScheduler", {"prediction_type": "sample"}, "decided by the recipe's schedule"),
        ("PNDMScheduler", {"skip_prk_steps": False}, "decided by the recipe's schedule"),
        ("EulerDiscreteScheduler", {"eta": 1.0}, "has no option 'eta'"),
        ("DDPMScheduler", {"variance_type": "learned_range"}, "predicts variances"),
    ],
)
def test_options_that_do_not_exist_or_are_decided_elsewhere_are_refused(scheduler, options, message):
    with pytest.raises(ValidationError, match=message):
        DiffusersSampler(scheduler=scheduler, options=options)


def test_the_order_claimed_follows_the_options():
    assert DiffusersSampler(options={"solver_order": 3}).convergence_order() == 3
    assert DiffusersSampler(scheduler="UniPCMultistepScheduler", options={"solver_order": 1}).convergence_order() == 2
    assert DiffusersSampler(scheduler="LMSDiscreteScheduler", options={"order": 2}).convergence_order() == 2
    assert DiffusersSampler(scheduler="DDIMScheduler", options={"eta": 0.5}).convergence_order() is None
    assert DiffusersSampler(options={"algorithm_type": "sde-dpmsolver++"}).convergence_order() is None


@pytest.mark.parametrize("name", BRIDGED)
def test_the_arguments_read_from_the_source_are_those_of_the_constructor(name):
    import diffusers

    named = set(inspect.signature(getattr(diffusers, name).__init__).parameters)
    assert constructor_arguments(name) == named - {"self", "kwargs"}


@pytest.mark.parametrize("fields", ["", "options={'solver_order': 3}"])
def test_choosing_a_scheduler_and_its_options_does_not_import_diffusers(fields):
    code = f"import sys; from wb_diffusers.sampler import DiffusersSampler; DiffusersSampler({fields}); sys.exit('diffusers' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("options", [[], ["sampler.options={solver_order=3}"]])
def test_validating_a_recipe_does_not_import_diffusers(repository, options):
    recipe = repository / "recipes" / "cars_linear.toml"
    code = (
        f"import sys; from pathlib import Path; from workbench.recipe import load; load(Path({str(recipe)!r}), ['sampler.use=diffusers', *{options!r}]); "
        "sys.exit('diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
