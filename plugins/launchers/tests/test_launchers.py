"""Launchers start commands, report when they have ended, and stop them."""

import sys
import time
from pathlib import Path

import pytest

from wb_launchers.on_ray import Ray
from wb_launchers.slurm import Slurm
from workbench.errors import RecipeError, SweepError, UnknownComponent
from workbench.sweep.launching import launcher_of
from workbench.testing import LauncherConformance

WRITES = "import os, sys; open(sys.argv[1] + os.environ['WORD'] + str(os.getpid()), 'w').close()"


def wait(condition, seconds=90.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture(params=["slurm", pytest.param("ray", marks=pytest.mark.long)])
def launcher(request):
    """Slurm's on submitit's local executor, Ray's on a local Ray."""
    if request.param == "slurm":
        pytest.importorskip("submitit", reason="submitit is not installed: pip install 'diffusion-workbench[slurm]'")
        yield Slurm(cluster="local", minutes=5, cpus=1)
        return
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'diffusion-workbench[ray]'")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield Ray()
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_commands_run_with_their_environment_and_end(launcher, tmp_path):
    launched = launcher.launch([sys.executable, "-c", WRITES, f"{tmp_path}/written_"], {"WORD": "hello_"}, 2, tmp_path / "logs")
    wait(lambda: all(command.ended() for command in launched))
    assert len(list(tmp_path.glob("written_hello_*"))) == 2
    assert len({command.name for command in launched}) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_stop_ends_the_job_and_its_command(launcher, tmp_path):
    sleeps = f"import time; open({str(tmp_path / 'started')!r}, 'w').close(); time.sleep(600)"
    (launched,) = launcher.launch([sys.executable, "-c", sleeps, "marked-to-sleep"], {}, 1, tmp_path / "logs")
    wait((tmp_path / "started").exists)
    assert not launched.ended()
    launched.stop()
    wait(launched.ended)
    wait(lambda: not is_sleeping())
    launched.stop()  # without effect


def is_sleeping():
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(path.read_bytes())
        except OSError:
            continue
    return any(b"time.sleep(600)" in command and b"marked-to-sleep" in command for command in commands)


def test_unknown_fields_and_launchers_are_errors():
    assert launcher_of("slurm", ["partition=gpu", "gpus=2"]) == Slurm(partition="gpu", gpus=2)
    with pytest.raises(SweepError, match="expected FIELD=VALUE such as partition=gpu, got 'gpu'"):
        launcher_of("slurm", ["gpu"])
    with pytest.raises(
        RecipeError, match=r"--launcher-set: launcher\.partitio: no such field of 'slurm' \(did you mean 'partition'"
    ):
        launcher_of("slurm", ["partitio=gpu"])
    with pytest.raises(UnknownComponent, match="ray, slurm"):
        launcher_of("pbs", [])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
class TestSlurm(LauncherConformance):
    component = Slurm(cluster="local", minutes=5, cpus=1)
