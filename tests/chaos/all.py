"""The whole chaos suite, one part after another, into docs/reliability.md: python tests/chaos/all.py

A part that was done is kept in build/chaos.json; --only does some of them again.
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
# Each prints its findings as JSON and ends with 0 if nothing was lost.
PARTS = {
    "resume": "--kills 50",
    "leaving": "--times 20",
    "store": "--times 9",
    "corruption": "--flips 200",
    "server": "--kills 20 --longest 60",
    "disk": "",
    "recipes": "--count 10000",
    "pictures": "",
    "names": "",
}


def main() -> int:
    """The chosen parts; 0 if all held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, separated by commas: {', '.join(PARTS)}")
    parser.add_argument("--report", action="store_true", help="do nothing, write the page again")
    options = parser.parse_args()
    found = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    failed = []
    for part in [] if options.report else [part.strip() for part in options.only.split(",")]:
        if part not in PARTS:
            parser.error(f"no part {part}")
        print(f"{part} ...", flush=True)
        command = [sys.executable, str(HERE / f"{part}.py"), *PARTS[part].split()]
        started = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
        print(done.stdout, flush=True)
        if done.returncode != 0:
            failed.append(part)
        found[part] = {
            "command": " ".join(["python", f"tests/chaos/{part}.py", *PARTS[part].split()]),
            "found": _last_json(done.stdout),
            "held": done.returncode == 0,
            "minutes": round((time.monotonic() - started) / 60.0, 1),
            "when": datetime.datetime.now().astimezone().date().isoformat(),
        }
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(found, indent=2))
    _write(found)
    print(f"{PAGE}: {len(found)} parts; " + (f"not held: {', '.join(failed)}" if failed else "all held"))
    return 1 if failed else 0


def _last_json(text: str) -> dict[str, object]:
    """The object that a part has printed: its last line that begins one, to the end."""
    lines = text.splitlines()
    for start in reversed(range(len(lines))):
        if lines[start].startswith("{"):
            try:
                value = json.loads("\n".join(lines[start:]))
            except ValueError:
                continue
            return dict(value)
    return {}


def _write(found: dict[str, dict[str, object]]) -> None:
    before, rest = PAGE.read_text().split(MARKS[0])
    table, after = rest.split(MARKS[1])
    # The page keeps the rows of parts that were not run in this checkout.
    rows = {part: line for line in table.splitlines() for part in PARTS if f"tests/chaos/{part}.py" in line}
    rows |= {part: _row(row) for part, row in found.items()}
    lines = [
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}. A part that did not hold says so.",
        "",
        "| command | found | held | minutes | |",
        "|---|---|---|---:|---|",
        *(rows[part] for part in PARTS if part in rows),
    ]
    PAGE.write_text(f"{before}{MARKS[0]}\n\n" + "\n".join(lines) + f"\n\n{MARKS[1]}{after}")


def _row(row: dict[str, object]) -> str:
    results = "; ".join(
        f"{key}: **{value:,}**" if isinstance(value, int | float) else f"{key}: {value}"
        for key, value in row["found"].items()
        if key != "wrong"
    )
    return f"| `{row['command']}` | {results} | {'yes' if row['held'] else '**no**'} | {row['minutes']} | {row['when']} |"


if __name__ == "__main__":
    sys.exit(main())
