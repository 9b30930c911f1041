"""Coverage-guided fuzzing of the recipe reader: mutates the shipped recipes towards code that was not reached before.

python -m pip install atheris        (wheels for Linux and CPython 3.11 to 3.13; elsewhere pip builds it, which needs clang)
python tests/chaos/fuzz.py --minutes 10
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mutations import KINDS, RANGE, Mutation, apply, shipped

ROOT = Path(__file__).parents[2]
SECONDS, MEMORY = 5.0, 6 << 30  # generous for a busy machine; a correct reader needs far less
MISSING = """\
coverage-guided fuzzing needs atheris, which is not installed here:

    {python} -m pip install atheris

There are wheels for Linux and CPython 3.11 to 3.13; elsewhere pip builds it, which needs clang."""


def main() -> int:
    """Fuzz in another process, whose exit code reports a finding; then print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, help="folder for inputs that reached new code, reused by the next run")
    parser.add_argument("--keep", type=Path, default=Path(), help="folder for an input with a problem")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.inside:
        _fuzz(rest)
        return 0
    try:
        import atheris  # noqa: F401 - to see if it is installed
    except ImportError:
        print(MISSING.format(python=sys.executable), file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as top:
        corpus = options.corpus or Path(top) / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        recipes = shipped(ROOT / "recipes")
        for name, recipe in recipes.items():
            (corpus / name).write_bytes(recipe)
            # Each kind of mutation once, because a fuzzer takes long to find them.
            for kind in KINDS:
                (corpus / f"{kind.replace(' ', '_')}-{name}").write_bytes(
                    apply(recipe, [Mutation(kind, RANGE // 3, RANGE // 2, 1)])
                )
        return _run_fuzzer(options, corpus, Path(top))


def _run_fuzzer(options: argparse.Namespace, corpus: Path, top: Path) -> int:
    options.keep.mkdir(parents=True, exist_ok=True)
    seconds = round(60 * options.minutes)
    command = [
        sys.executable,
        __file__,
        "--inside",
        str(corpus),
        f"-max_total_time={seconds}",
        f"-seed={options.seed + 1}",
        "-max_len=20000",
    ]
    command += [
        "-timeout=60",
        "-rss_limit_mb=0",
        "-print_final_stats=1",
        "-verbosity=1",
        f"-artifact_prefix={options.keep.absolute()}/",
    ]
    before = len(list(corpus.iterdir()))
    environment = {**os.environ, "WB_HOME": str(top / "home"), "XDG_CACHE_HOME": str(top / "cache"), "HOME": str(top)}
    (top / "work").mkdir()
    done = subprocess.run(
        command, cwd=top / "work", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    stats = dict(line[6:].split(": ") for line in done.stdout.splitlines() if line.startswith("stat::"))
    written = [path.name for path in (top / "work").iterdir() if path.name != "fuzzed.toml"] + [
        path.name for path in (top / "home", top / "cache") if path.exists()
    ]
    findings = {
        "minutes": options.minutes,
        "tried": int(stats.get("number_of_executed_units", 0)),
        "reached something new": len(list(corpus.iterdir())) - before,
        "exit": done.returncode,
        "files written": len(written),
    }
    print(json.dumps(findings))
    if done.returncode or written:
        print("\n".join([*done.stdout.splitlines()[-60:], *written]), file=sys.stderr)
    return 1 if done.returncode or written else 0


def _fuzz(arguments: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["workbench.recipe", "tomllib"]):
        import tomllib  # noqa: F401

        from workbench import recipe  # noqa: F401
        from workbench.recipe.loading import load
        from workbench.recipe.toml import parse_value

    from workbench.errors import RecipeError
    from workbench.recipe import Recipe, dumps, warnings

    with contextlib.redirect_stdout(io.StringIO()):
        load(ROOT / "recipes" / "cars_linear.toml")  # imports count for no recipe
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    path = Path("fuzzed.toml")

    def once(data: bytes) -> None:
        path.write_bytes(data)
        started = time.process_time()
        try:
            checked = load(path)
            assert isinstance(checked, Recipe)
            warnings(checked)
            path.write_text(dumps(checked))
            assert load(path).table() == checked.table()  # the stored recipe is the same
        except RecipeError as error:
            assert error.problems
            assert all(problem.where and problem.message for problem in error.problems)
        parse_value(data.decode("utf-8", "replace"))
        assert time.process_time() - started < SECONDS, "too slow"

    atheris.Setup([sys.argv[0], *arguments], once)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
