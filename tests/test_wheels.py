"""The distributions as users get them."""

import json
import os
import subprocess
import sys

import pytest

PLUGINS = ("schedules", "denoisers", "samplers", "datasets", "features")


@pytest.mark.slow
def test_wheels_of_all_distributions_work_outside_the_checkout(repository, tmp_path):
    wheels, target = tmp_path / "wheels", tmp_path / "target"
    for source in (repository, *(repository / "plugins" / name for name in PLUGINS)):
        subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", wheels, source],
            check=True,
            capture_output=True,
        )
    assert len(list(wheels.glob("*.whl"))) == 6
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        target,
        *wheels.glob("*.whl"),
    ]
    subprocess.run(install, check=True, capture_output=True)

    # Without the site's .pth files nothing of the checkout is on the path; the other packages are added by name.
    site = next(path for path in sys.path if path.endswith("site-packages"))
    code = f"import sys; sys.path += [{str(target)!r}, {site!r}]; sys.argv = ['wb', *sys.argv[1:]]; from workbench.cli import main; main()"
    environ = {**os.environ, "PYTHONPATH": ""}

    def wb(*words):
        return subprocess.run(
            [sys.executable, "-S", "-c", code, *words], cwd=tmp_path, env=environ, check=True, capture_output=True, text=True
        ).stdout

    listed = json.loads(wb("list", "--json"))
    assert {"ddpm", "ddim"} <= {row["name"] for row in listed["samplers"]}
    assert {"inception", "efficientnet_lite0"} <= {row["name"] for row in listed["features"]}
    (tmp_path / "recipe.toml").write_text((repository / "recipes" / "cars_linear.toml").read_text())
    assert "ok (cars_linear" in wb("validate", "recipe.toml")
    assert "my-denoiser" in wb("plugins", "new", "denoiser", "my-denoiser")  # the templates are in the wheel
    assert (tmp_path / "my-denoiser" / "src" / "my_denoiser" / "network.py").is_file()
    where = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += [{str(target)!r}, {site!r}]; import workbench, wb_samplers; print(workbench.__file__, wb_samplers.__file__)"],
        cwd=tmp_path, env=environ, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert where.count(str(target)) == 2
