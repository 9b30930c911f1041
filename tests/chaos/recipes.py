"""Thousands of mutated recipes are checked by `wb validate`: each must be right or refused with a place, soon, small, and writing nothing.

python tests/chaos/recipes.py --count 10000 --seed 0
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

from calling import MIB, Told, called, changes, listing, working_in
from mutations import apply, drawn, prepared, shipped

ROOT = Path(__file__).parents[2]
SECONDS, BYTES = 1.0, 200 * MIB
PATIENCE = 30  # seconds after which a call is ended
MEMORY = 6 << 30  # a recipe that asks for more ends itself and not the machine
RUN_EVERY = 25  # of those refused, so many are given to `wb run` as well


def main() -> int:
    """Mutate, check, and say in one line of JSON what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="begin with this one")
    parser.add_argument("--keep", type=Path, help="a folder for the recipes that went wrong")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _too_long)
    recipes = shipped(ROOT / "recipes")
    with tempfile.TemporaryDirectory() as top:
        home = prepared(Path(top), recipes)
        with working_in(home, home):
            called(["validate", "recipes/cars_linear.toml"])  # what is imported once belongs to no recipe
            return _summary(_all(options, home, recipes))


def _all(options: argparse.Namespace, home: Path, recipes: dict[str, bytes]) -> dict[str, object]:
    counts: Counter[str] = Counter()
    slowest, largest = (0.0, -1), (0, -1)
    wrong: list[str] = []
    written: set[str] = set()
    target = home / "recipes" / "mutated.toml"
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))  # what was tried until then is told
    for index in itertools.takewhile(lambda _: not stopped, range(options.first, options.first + options.count)):
        name, mutations = drawn(options.seed, index, recipes)
        target.write_bytes(apply(recipes[name], mutations))
        before = listing(home.parent)
        told = _limited(["validate", "recipes/mutated.toml"])
        found = _wrong(told)
        if told.code == 2 and counts["exit 2"] % RUN_EVERY == 0:
            counts["run too"] += 1
            found += _differently(told, _limited(["run", "recipes/mutated.toml", "--no-track"]))
        new = changes(before, listing(home.parent))
        written.update(new)
        counts["tried"] += 1
        counts[f"exit {told.code}"] += 1
        counts["tracebacks"] += bool(told.traceback)
        slowest, largest = max(slowest, (told.cpu, index)), max(largest, (told.grown, index))
        if found or new:
            wrong.append(f"{index} {name} {mutations}: {'; '.join([*found, *new])}")
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(target, options.keep / f"{options.seed}-{index}.toml")
    return {
        **{key: counts[key] for key in ("tried", "exit 0", "exit 2", "tracebacks", "run too")},
        "slowest cpu seconds": round(slowest[0], 3),
        "slowest": slowest[1],
        "most memory MiB": round(largest[0] / MIB, 1),
        "largest": largest[1],
        "files written": len(written),
        "wrong": wrong,
    }


def _limited(arguments: list[str]) -> Told:
    signal.alarm(PATIENCE)
    try:
        return called(arguments)
    finally:
        signal.alarm(0)


def _wrong(told: Told) -> list[str]:
    found = []
    if told.traceback:
        found.append(told.traceback.strip().splitlines()[-1][:200])
    elif told.code not in (0, 2):
        found.append(f"exit {told.code}: {told.errors[:200]}")
    elif told.code == 2 and (not told.located or told.errors.startswith("error:")):
        found.append(f"no place: {told.errors[:200]}")
    if len(told.errors) > 100_000:
        found.append(f"{len(told.errors):,} characters of complaint")
    if (
        told.cpu > SECONDS or told.seconds > 10 * SECONDS
    ):  # other processes may be busy; an answer that waits for something is none
        found.append(f"{told.seconds:.2f} s, {told.cpu:.2f} s of them computing")
    if told.grown > BYTES:
        found.append(f"{told.grown / MIB:.0f} MiB")
    return found


def _differently(checked: Told, run: Told) -> list[str]:
    """Whether `wb run` refused a recipe for another reason than `wb validate`, or not at all."""
    if run.traceback:
        return [f"run: {run.traceback.strip().splitlines()[-1][:200]}"]
    same = run.code == checked.code and run.errors.split("\n")[0] == checked.errors.split("\n")[0]
    return [] if same else [f"run: exit {run.code}, {run.errors[:200]!r} and not {checked.errors[:200]!r}"]


def _summary(told: dict[str, object]) -> int:
    wrong = told.pop("wrong")
    print(json.dumps({**told, "wrong": len(wrong)}), flush=True)  # type: ignore[arg-type]
    for each in wrong[:20]:  # type: ignore[index]
        print(each[:2000], file=sys.stderr)
    return 1 if wrong else 0


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError(f"no answer after {PATIENCE} s")


if __name__ == "__main__":
    sys.exit(main())
