"""Hundreds of hostile names for recipes, experiments, runs, sweeps, images and files: nothing may be written outside the home.

python tests/chaos/names.py --count 500
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from calling import CallResult, called, changes, listing, working_in
from PIL import Image

from workbench.errors import WorkbenchError
from workbench.interfaces import NullTracker
from workbench.journal import Journal
from workbench.progress import Progress
from workbench.recipe import Recipe, load
from workbench.runs.folder import RunFolder, create_run
from workbench.runs.recording import record_run
from workbench.sweep.folder import SweepFolder
from workbench.tracking import Outbox, default_uri, send_pending

ROOT = Path(__file__).parents[2]
RESERVED = ["CON", "PRN", "AUX", "NUL", "COM1", "LPT9", "con.toml", "nul.", "CONIN$", "CLOCK$"]  # names that Windows reserves
WHOLE = [
    "", " ", "  ", "\t", ".", "..", "...", "....", "/", "//", "\\", "\\\\", "~", "~root", "~absent-user", "-", "--", "-h", "--help", "-n",
    "--resume", "latest", "auto", "*", "?", "[a-z]", "{a,b}", "**", "!", "!!", "$HOME", "${HOME}", "$(touch outside)", "`touch outside`",
    "; touch outside", "| touch outside", "&& touch outside", "> outside", "a\nb", "a\r\nb", "\n", "\0", "a\0b", "\0/etc/passwd", "\x1b[2J", "\x07",
    "\x7f", "\x80", "\x9b31m", "{}", "{0}", "{name}", "{0.__class__.__mro__}", "%s", "%n", "%x%x%x", "%2e%2e", "%2e%2e%2f", "%00", "%", "..%2f..%2f",
    "..%c0%af", "\u202e", "a\u202eb", "\u200f", "\u2066x\u2069", "\u2028", "\u2029", "\ufeff", "\u200b", "\u00a0", "\u0301", "e\u0301", "\u00e9", "\ud800",
    "\udcff", "a\udc80b", "\U0001f697", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0130", "\u00df", "\uff0e\uff0e\uff0f", "\u2024\u2024", "\u2215etc",
    "\U000e0001", "\U0010ffff", "[/bold]", "[red]", "[/]", "[link=file:///etc/passwd]", "\\[x]", "<script>", "&amp;", "'", '"', "'''", '"""',
    "' OR '1'='1", "'; drop table runs; --", "a'b", "`a`", "#", "# x", "=", "a=b", "a.b", ".hidden", "a.", "a ", " a", "None", "nan", "true", "1", "0x10",
    "1979-05-27", "[]", "run.json", "../run.json", "journal.sqlite", ".writing_x", "mlflow", "cache", "runs", "sweep.json", "optuna.db", "coordinator.lock",
    "/etc/passwd", "/tmp/outside", "/dev/null", "/dev/zero", "/proc/self/environ", "C:\\outside", "C:outside", "\\\\host\\share", "file:///tmp/outside",
    "http://localhost/", "sqlite:////tmp/outside.db", "../outside", "../../outside", "../../../../../../tmp/outside", "a/../../outside", "./a", "a/b", "a//b",
    "a/./b", "a/..", "runs/../../outside", "..\\outside", "a\\..\\..\\outside", "n" * 80, "n" * 81, "n" * 255, "n" * 256, "n" * 4096, "\u00e9" * 100,
    "\U0001f697" * 200, "../" * 1365, "a/" * 2048, "." * 300, " " * 300, "%" * 200, "x.png", "x.svg", "x.", ".png", "x.PNG", "x" * 250 + ".png", *RESERVED,
]  # fmt: skip
AROUND = ["{}a", "a{}", "a{}a", "{}.toml", "{}/x", "x/{}", "{}.png", "-{}", "../{}", "{}{}"]
# Where files may be written: the folders of runs and sweeps, and the tracking store.
ALLOWED = ("runs", "sweeps", "cache", "mlflow/artifacts/", "mlflow/mlflow.db", "mlflow/.creation.lock")


def names(count: int) -> list[str]:
    """`count` different names, the plain ones first."""
    combined = (form.replace("{}", name) for form, name in itertools.product(AROUND, WHOLE))
    unique = dict.fromkeys(itertools.chain(WHOLE, combined))
    if count > len(unique):
        raise ValueError(f"there are only {len(unique)} names")
    return list(itertools.islice(unique, count))


def main() -> int:
    """Use each name everywhere, and print the findings as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--no-store", action="store_true", help="without the tracking store, which takes most of the time")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))  # the findings so far are printed
    with tempfile.TemporaryDirectory() as top:
        home = prepared(Path(top))
        recipe = load(home / "recipes" / "sweep.toml")
        with working_in(Path(top) / "elsewhere", home):
            for name in itertools.takewhile(lambda _: not stopped, names(options.count)):
                before = listing(Path(top))
                for what, ending in [*made(home, name, recipe, store=not options.no_store), *said(home, name)]:
                    counts[ending] += 1
                    if ending == "traceback":
                        wrong.append(f"{name!r:.100}: {what}")
                counts["names"] += 1
                escaped = outside(changes(before, listing(Path(top))))
                counts["written outside"] += len(escaped)
                wrong += [f"{name!r:.100}: wrote {path!r}" for path in escaped]
    findings = {key: counts[key] for key in ("names", "made", "refused", "traceback", "written outside")}
    print(json.dumps({**findings, "wrong": len(wrong)}))
    for line in wrong[:30]:
        print(line[:600].encode(errors="backslashreplace").decode(), file=sys.stderr)
    return 1 if wrong else 0


def prepared(top: Path) -> Path:
    """Create a home next to a working directory, with recipes and one run, which has no recipe and cannot be resumed."""
    home = top / "project"
    (home / "recipes").mkdir(parents=True)
    (top / "elsewhere").mkdir()
    for name in ("sweep.toml", "cars_linear.toml"):
        (home / "recipes" / name).write_bytes((ROOT / "recipes" / name).read_bytes())
    run = create_run(home, "begun")
    run.update(status="KILLED")
    return home


def outside(written: list[str]) -> list[str]:
    """The written files that lie outside the allowed places."""
    inside = tuple(f"project/{place}" for place in ALLOWED)
    return [
        path
        for path in written
        if path not in ("project", "project/mlflow", "project/mlflow/artifacts") and not path.startswith(inside)
    ]


def made(home: Path, name: str, recipe: Recipe, *, store: bool = True) -> Iterator[tuple[str, str]]:
    """Create everything that can have the name: what it is, and "made", "refused" or "traceback"."""
    run = next(iter(sorted((home / "runs").glob("begun-*"))))
    image = Image.new("RGB", (2, 2))
    actions: dict[str, Callable[[], object]] = {
        "run": lambda: create_run(home, name),
        "sweep": lambda: SweepFolder.of(home, name).create(recipe, "names", None),
        "metric": lambda: _record(RunFolder(run), Progress("evaluating", 1, metrics={name: 1.0})),
        "picture": lambda: _record(RunFolder(run), Progress("evaluating", 1, pictures={name: image})),
        "file": lambda: _record(RunFolder(run), Progress("evaluating", 1, files={name: b"x"})),
        "picture for the store": lambda: Outbox(RunFolder(run).journal(), run / "pictures").image(name, image, 1),
    }
    if store:
        actions["experiment"] = lambda: _experiment(home, name)
    for what, action in actions.items():
        yield what, _ending(action, what)


def said(home: Path, name: str) -> Iterator[tuple[str, str]]:
    """Pass the name to every command that takes one: the command, and "made", "refused" or "traceback"."""
    recipe, run = str(home / "recipes" / "sweep.toml"), "begun"
    calls = [
        *(
            ["validate", recipe, "--set", f"{key}={json.dumps(name)}"]
            for key in ("name", "tracking.experiment", "dataset.root", "description")
        ),
        ["show", name],
        ["sample", name],
        ["sample", run, "--out", name],
        ["sample", run, "--separate", name],
        ["run", "--resume", name],
        ["run", name],
        ["validate", name],
        ["eval", name],
        ["eval", run, "--out", name],
        ["compare", name, run],
        ["compare", run, run, "--out", name],
        ["sync", name],
        ["sweep", "show", name],
        ["sweep", "best", name],
        *([] if name.startswith("-") else [["sweep", name]]),  # without a recipe it starts the shipped search
        ["list", name],
        ["plugins", "show", name],
    ]
    for words in calls:
        yield " ".join(words), _judge(called(words), words)
    try:
        SweepFolder.of(home, name)
    except WorkbenchError:  # valid names would start training
        yield "sweep --name", _judge(called(["sweep", recipe, "--name", name]), ["sweep"])


def _judge(result: CallResult, words: list[str]) -> str:
    if result.traceback:
        print(f"{words!r:.300}\n{result.traceback[-1500:]}", file=sys.stderr)
        return "traceback"
    return "made" if result.code == 0 else "refused"


def _ending(action: Callable[[], object], what: str) -> str:
    try:
        action()
    except WorkbenchError:
        return "refused"
    except Exception as error:  # a user would have seen its traceback
        print(f"{what}: {error!r:.500}", file=sys.stderr)
        return "traceback"
    return "made"


def _record(run: RunFolder, moment: Progress) -> None:
    for _ in record_run(iter([moment]), run, NullTracker(), lambda text: None):
        pass


def _experiment(home: Path, name: str) -> None:
    folder = home / "runs" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    with closing(Journal(folder / "journal.sqlite", folder.name)) as journal:
        outbox = Outbox(journal, folder)
        outbox.artifact(home / "recipes" / "sweep.toml")
        outbox.finish("FINISHED")
        send_pending(journal, default_uri(home), name, home)


if __name__ == "__main__":
    sys.exit(main())
