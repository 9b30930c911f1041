"""The distributions as users get them."""

import json
import os
import shutil
import subprocess
import sys

import pytest

PLUGINS = ("schedules", "denoisers", "samplers", "datasets", "features", "launchers")
# The other packages are added by name, since without the site's .pth files nothing of the checkout is on the path.
SITE = next(path for path in sys.path if path.endswith("site-packages"))


@pytest.fixture(scope="module")
def wheels(repository, tmp_path_factory):
    """A wheel of each distribution."""
    folder = tmp_path_factory.mktemp("wheels")
    for source in (repository, *(repository / "plugins" / name for name in PLUGINS)):
        subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source],
            check=True,
            capture_output=True,
        )
    wheels = sorted(folder.glob("*.whl"))
    assert len(wheels) == 1 + len(PLUGINS)
    return wheels


@pytest.fixture(scope="module")
def core(wheels, tmp_path_factory):
    """A folder into which the core is installed."""
    return into(tmp_path_factory.mktemp("core"), *(wheel for wheel in wheels if wheel.name.startswith("diffusion_workbench-")))


@pytest.fixture(scope="module")
def plugins(wheels, tmp_path_factory):
    """A folder into which the plugins are installed."""
    return into(
        tmp_path_factory.mktemp("plugins"), *(wheel for wheel in wheels if not wheel.name.startswith("diffusion_workbench-"))
    )


def into(folder, *words):
    """`folder`, into which pip has installed what is named, and nothing that it depends on."""
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation", "--target", folder]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *words], check=True, capture_output=True)
    return folder


def python(code, *folders, cwd, words=()):
    """What `code` prints where the packages in `folders` are installed, and nothing of the checkout is."""
    # As for a site: its .pth files, which lead to editable installs, are read too; those of the tests' own site are not.
    whole = f"import site, sys; [site.addsitedir(folder) for folder in {[*map(str, folders)]!r}]; sys.path += [{SITE!r}]; {code}"
    done = subprocess.run(
        [sys.executable, "-S", "-c", whole, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_wheels_of_all_distributions_work_outside_the_checkout(repository, core, plugins, tmp_path):
    def wb(*words):
        return python("sys.argv[0] = 'wb'; from workbench.cli import main; main()", core, plugins, cwd=tmp_path, words=words)

    listed = json.loads(wb("list", "--json"))
    assert {"ddpm", "ddim"} <= {row["name"] for row in listed["samplers"]}
    assert {"inception", "efficientnet_lite0"} <= {row["name"] for row in listed["features"]}
    (tmp_path / "recipe.toml").write_text((repository / "recipes" / "cars_linear.toml").read_text())
    assert "ok (cars_linear" in wb("validate", "recipe.toml")
    assert "my-denoiser" in wb("plugins", "new", "denoiser", "my-denoiser")  # the templates are in the wheel
    assert (tmp_path / "my-denoiser" / "src" / "my_denoiser" / "network.py").is_file()
    where = python("import workbench, wb_samplers; print(workbench.__file__, wb_samplers.__file__)", core, plugins, cwd=tmp_path)
    assert [str(core) in path or str(plugins) in path for path in where.split()] == [True, True]


@pytest.mark.long
def test_a_wheel_and_an_editable_install_of_the_same_source_have_the_same_hash(repository, core, plugins, tmp_path):
    with_components = [name for name in PLUGINS if name != "launchers"]  # no run depends on who started it
    sources = {name: tmp_path / "sources" / name for name in with_components}
    for name, source in sources.items():
        shutil.copytree(repository / "plugins" / name, source, ignore=shutil.ignore_patterns("__pycache__"))
    editable = into(tmp_path / "editable", *(word for source in sources.values() for word in ("-e", source)))

    def hashes(folder):
        code = "from workbench.registry.content import content_hash; print(*map(content_hash, sys.argv[1:]))"
        names = [f"diffusion-workbench-{name}" for name in with_components]
        return dict(zip(with_components, python(code, core, folder, cwd=tmp_path, words=names).split(), strict=True))

    installed, edited = hashes(plugins), hashes(editable)
    assert all(len(sha256) == 64 for sha256 in installed.values())
    assert len(set(installed.values())) == len(with_components)
    assert edited == installed

    with (sources["samplers"] / "src" / "wb_samplers" / "ddim.py").open("a") as file:
        file.write("# changed\n")
    changed = hashes(editable)
    assert [name for name in with_components if changed[name] != edited[name]] == ["samplers"]
