"""`wb plugins` with sound packages."""

import json
import os

import pytest

from tests.fork_server import run_wb
from workbench.registry.content import content_hash


def wb(*words, code=0):
    done = run_wb(words, {**os.environ, "NO_COLOR": "1", "COLUMNS": "160"})
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("verb", ["list", "show", "check", "new"])
def test_every_verb_explains_itself_with_an_example(verb):
    assert f"wb plugins {verb}" in wb("plugins", verb, "--help").stdout.partition("Usage")[2].partition("\n")[2]


def test_a_package_is_shown_with_its_range_place_and_hash(repository):
    output = wb("plugins", "show", "Diffusion_Workbench.schedules").stdout
    assert "diffusion-workbench >=0.1,<0.2" in output
    assert content_hash("diffusion-workbench-schedules") in output
    assert "cosine  wb_schedules.cosine:Cosine" in output


@pytest.mark.parametrize(
    ("name", "guess"), [("ddim", "diffusion-workbench-samplers"), ("difusion-workbench-samplers", "diffusion-workbench-samplers")]
)
def test_an_unknown_package_is_guessed(name, guess):
    assert f"is called '{name}' (did you mean '{guess}'?)" in " ".join(wb("plugins", "show", name, code=2).stderr.split())


def test_a_component_that_conforms_is_reported_with_its_fields():
    report = json.loads(wb("plugins", "check", "cosine", "--set", "steps=300", "--json").stdout)
    assert (report["component"], report["fields"]["steps"]) == ("diffusion-workbench-schedules:cosine", 300)
    assert {row["state"] for row in report["checks"]} <= {"passed", "skipped"}
    output = wb("plugins", "check", "cosine").stdout
    assert all(f"{row['name']} " in output for row in report["checks"])
    assert "ok" in output.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ddimm"], "no component is called 'ddimm' (did you mean 'ddim'?)"),
        (["ddim", "--kind", "schedules"], "no component of schedules is called 'ddim'"),
        (["ddim", "--set", "etta=1"], "--set: etta: no such field of 'ddim' (did you mean 'eta'? fields: eta)"),
        (["ddim", "--set", "eta=2"], "--set: eta: must be at most 1, got 2"),
        (["ddim", "--set", "eta"], "--set: eta: expected FIELD=VALUE"),
    ],
)
def test_what_cannot_be_checked_is_reported(words, message):
    assert message in " ".join(wb("plugins", "check", *words, code=2).stderr.split())
