"""Fills the disk at one point of a run after another: one clear message, nothing lost, and the run can be resumed when there is space.

python tests/chaos/disk.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from fork_server import ForkServer
from runs import environment, outcome_of, print_findings, run_of, written_recipe

STEPS = 40
POINTS = [
    "checkpoint begun:1",
    *(f"checkpoint file written:{k}" for k in (1, 2, 3, 4, 5, 6, 9, 14)),
    "checkpoint manifest written:2",
    *(f"file written:{k}" for k in (3, 5, 8, 12)),
    *(f"journal before commit:{k}" for k in (2, 6, 11)),
]
LIMITS = [40_000, 80_000, 120_000]  # bytes: less than the network, the state of the optimizer and the journal need
REASONS = ("No space left on device", "File too large", "disk is full", "disk I/O error")


def main() -> int:
    """Try each point once; 0 if every run ended like the one with enough space."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        home, log = Path(folder) / "home", Path(folder) / "log"
        with closing(ForkServer(environment(home))) as server:
            alone = server.start(["run", str(written_recipe(Path(folder), "alone", STEPS)), "--no-track"], log)
            if alone.wait(600.0) != 0:
                raise SystemExit(log.read_text())
            expected = outcome_of(run_of(home, "alone"))
            cases: list[tuple[str, dict[str, object]]] = [(point, {"WB_FAULT": f"{point}=full"}) for point in POINTS]
            cases += [(f"files of {limit} bytes at most", {"largest_file": limit}) for limit in LIMITS]
            for k, (case, how) in enumerate(cases):
                wrong += [f"{case}: {problem}" for problem in _case(server, home, Path(folder), f"full-{k}", how, expected)]
        wrong += _small_disk(Path(folder))
    return print_findings({"points": len(POINTS) + len(LIMITS) + 1}, wrong)


def _case(server, home, folder, name, how, expected):  # type: ignore[no-untyped-def]
    log = folder / f"{name}.log"
    code = server.start(["run", str(written_recipe(folder, name, STEPS)), "--no-track"], log, **how).wait()
    text = log.read_text().replace("\n    ", " ")
    if code != 2 or "Traceback" in text or text.count("error:") != 1 or not any(reason in text for reason in REASONS):
        return [f"exit code {code}, output: {text[-500:]}"]
    run = run_of(home, name)
    words = ["run", "--resume", run.id, "--no-track"] if run else ["run", str(folder / f"{name}.toml"), "--no-track"]
    if server.start(words, log).wait() != 0:
        return [f"cannot be resumed: {log.read_text()[-500:]}"]
    run = run_of(home, name)
    return outcome_of(run).differences(expected) + [f"left: {path.name}" for path in home.rglob(".writing_*")]


def _small_disk(folder: Path) -> list[str]:
    """Try a real disk of 1 MiB, if this process may mount one."""
    disk = folder / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False).returncode:
        print("no disk can be mounted here: skipped", file=sys.stderr)
        return []
    try:
        log = folder / "small.log"
        with closing(ForkServer(environment(disk))) as server:
            code = server.start(["run", str(written_recipe(folder, "small", STEPS)), "--no-track"], log).wait()
        text = log.read_text().replace("\n    ", " ")
        fine = code == 2 and "Traceback" not in text and text.count("error:") == 1 and any(reason in text for reason in REASONS)
        return [] if fine else [f"a disk of 1 MiB: exit code {code}, output: {text[-500:]}"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


if __name__ == "__main__":
    sys.exit(main())
