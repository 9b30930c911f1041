"""Runs the whole chaos suite, one part after another, and writes docs/reliability.md: python tests/chaos/all.py

The results of finished parts are kept in build/chaos.json; --only runs some of them again.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
KEPT = ROOT / "build" / "chaos.json"
PAGE = ROOT / "docs" / "reliability.md"
MARKS = ("<!-- chaos: begin -->", "<!-- chaos: end -->")
# Each prints its findings as JSON; its exit code is 0 if nothing was lost.
PARTS = {
    "resume": "--kills 50",
    "interruptions": "--times 20",
    "store": "--times 9",
    "corruption": "--flips 200",
    "server": "--kills 20 --longest 60",
    "disk": "",
    "recipes": "--count 10000",
    "pictures": "",
    "names": "",
}


def main() -> int:
    """Run the chosen parts; 0 if all passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, separated by commas: {', '.join(PARTS)}")
    parser.add_argument("--report", action="store_true", help="run nothing, write the page again")
    options = parser.parse_args()
    results = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    failed = []
    for part in [] if options.report else [part.strip() for part in options.only.split(",")]:
        if part not in PARTS:
            parser.error(f"unknown part {part}")
        print(f"{part} ...", flush=True)
        command = [sys.executable, str(HERE / f"{part}.py"), *PARTS[part].split()]
        started = time.monotonic()
        process = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
        )
        print(process.stdout, flush=True)
        if process.returncode != 0:
            failed.append(part)
        results[part] = {
            "command": " ".join(["python", f"tests/chaos/{part}.py", *PARTS[part].split()]),
            "found": _last_json(process.stdout),
            "held": process.returncode == 0,
            "minutes": round((time.monotonic() - started) / 60.0, 1),
            "when": datetime.datetime.now().astimezone().date().isoformat(),
        }
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(results, indent=2))
    _write(results)
    print(f"{PAGE}: {len(results)} parts; " + (f"failed: {', '.join(failed)}" if failed else "all passed"))
    return 1 if failed else 0


def _last_json(text: str) -> dict[str, object]:
    """The last JSON object in the output of a part."""
    lines = text.splitlines()
    for start in reversed(range(len(lines))):
        if lines[start].startswith("{"):
            try:
                value = json.loads("\n".join(lines[start:]))
            except ValueError:
                continue
            return dict(value)
    return {}


def _write(results: dict[str, dict[str, object]]) -> None:
    before, rest = PAGE.read_text().split(MARKS[0])
    table, after = rest.split(MARKS[1])
    # The page keeps the rows of parts that were not run in this checkout.
    rows = {part: line for line in table.splitlines() for part in PARTS if f"tests/chaos/{part}.py" in line}
    rows |= {part: _row(row) for part, row in results.items()}
    lines = [
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}. A part that failed says so.",
        "",
        "| command | found | held | minutes | |",
        "|---|---|---|---:|---|",
        *(rows[part] for part in PARTS if part in rows),
    ]
    PAGE.write_text(f"{before}{MARKS[0]}\n\n" + "\n".join(lines) + f"\n\n{MARKS[1]}{after}")


def _row(row: dict[str, object]) -> str:
    findings = "; ".join(
        f"{key}: **{value:,}**" if isinstance(value, int | float) else f"{key}: {value}"
        for key, value in row["found"].items()
        if key != "wrong"
    )
    return f"| `{row['command']}` | {findings} | {'yes' if row['held'] else '**no**'} | {row['minutes']} | {row['when']} |"


if __name__ == "__main__":
    sys.exit(main())
