"""Checks thousands of mutated recipes with `wb validate`: each must be valid or refused with a location, quickly, with little memory, without writing.

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

from calling import MIB, CallResult, called, changes, listing, working_in
from mutations import apply, draw_mutations, prepared, shipped

ROOT = Path(__file__).parents[2]
SECONDS, BYTES = 1.0, 200 * MIB
PATIENCE = 30  # seconds after which a call is aborted
MEMORY = 6 << 30  # a recipe that needs more ends this process, not the machine
RUN_EVERY = 25  # one in so many refused recipes is also passed to `wb run`


def main() -> int:
    """Mutate, check, and print the findings as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="index of the first recipe")
    parser.add_argument("--keep", type=Path, help="folder for the recipes with a problem")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _abort)
    recipes = shipped(ROOT / "recipes")
    with tempfile.TemporaryDirectory() as top:
        home = prepared(Path(top), recipes)
        with working_in(home, home):
            called(["validate", "recipes/cars_linear.toml"])  # imports count for no recipe
            return _print_summary(_all(options, home, recipes))


def _all(options: argparse.Namespace, home: Path, recipes: dict[str, bytes]) -> dict[str, object]:
    counts: Counter[str] = Counter()
    slowest, largest = (0.0, -1), (0, -1)
    wrong: list[str] = []
    written: set[str] = set()
    target = home / "recipes" / "mutated.toml"
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))  # the findings so far are printed
    for index in itertools.takewhile(lambda _: not stopped, range(options.first, options.first + options.count)):
        name, mutations = draw_mutations(options.seed, index, recipes)
        target.write_bytes(apply(recipes[name], mutations))
        before = listing(home.parent)
        result = _limited(["validate", "recipes/mutated.toml"])
        problems = _problems(result)
        if result.code == 2 and counts["exit 2"] % RUN_EVERY == 0:
            counts["run too"] += 1
            problems += _differences(result, _limited(["run", "recipes/mutated.toml", "--no-track"]))
        new = changes(before, listing(home.parent))
        written.update(new)
        counts["tried"] += 1
        counts[f"exit {result.code}"] += 1
        counts["tracebacks"] += bool(result.traceback)
        slowest, largest = max(slowest, (result.cpu, index)), max(largest, (result.grown, index))
        if problems or new:
            wrong.append(f"{index} {name} {mutations}: {'; '.join([*problems, *new])}")
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


def _limited(arguments: list[str]) -> CallResult:
    signal.alarm(PATIENCE)
    try:
        return called(arguments)
    finally:
        signal.alarm(0)


def _problems(result: CallResult) -> list[str]:
    problems = []
    if result.traceback:
        problems.append(result.traceback.strip().splitlines()[-1][:200])
    elif result.code not in (0, 2):
        problems.append(f"exit {result.code}: {result.errors[:200]}")
    elif result.code == 2 and (not result.located or result.errors.startswith("error:")):
        problems.append(f"no location: {result.errors[:200]}")
    if len(result.errors) > 100_000:
        problems.append(f"{len(result.errors):,} characters of error messages")
    if result.cpu > SECONDS or result.seconds > 10 * SECONDS:  # the machine may be busy
        problems.append(f"{result.seconds:.2f} s, {result.cpu:.2f} s of CPU time")
    if result.grown > BYTES:
        problems.append(f"{result.grown / MIB:.0f} MiB")
    return problems


def _differences(checked: CallResult, run: CallResult) -> list[str]:
    """A problem if `wb run` refused a recipe for another reason than `wb validate`, or not at all."""
    if run.traceback:
        return [f"run: {run.traceback.strip().splitlines()[-1][:200]}"]
    same = run.code == checked.code and run.errors.split("\n")[0] == checked.errors.split("\n")[0]
    return [] if same else [f"run: exit {run.code}, {run.errors[:200]!r} and not {checked.errors[:200]!r}"]


def _print_summary(findings: dict[str, object]) -> int:
    wrong = findings.pop("wrong")
    print(json.dumps({**findings, "wrong": len(wrong)}), flush=True)  # type: ignore[arg-type]
    for line in wrong[:20]:  # type: ignore[index]
        print(line[:2000], file=sys.stderr)
    return 1 if wrong else 0


def _abort(number: int, frame: object) -> None:
    raise TimeoutError(f"no answer after {PATIENCE} s")


if __name__ == "__main__":
    sys.exit(main())
