"""wb doctor"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Annotated

import typer

import workbench as wb
from workbench.cli.health import HealthFinding, findings
from workbench.secrets import conceal

COLORS = {"ok": "green", "note": "yellow", "broken": "red"}


def doctor(
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=0.1, help="Time in which a component has to be imported.", show_default="30"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check everything a run needs: libraries, every installed component, weights, data, the tracking store.

    Each package is imported in a process of its own, so that one that hangs or ends the process is a line here and nothing more. Exit
    code 1 if something is broken; what is merely absent is a note.

    [bold]wb doctor[/]
    [bold]wb doctor --seconds 5 --json[/]
    """
    rows: list[HealthFinding] = []
    for each in findings(wb.registry.time_limit() if seconds is None else seconds):
        # What plugins and stores say may quote the environment.
        finding = replace(each, told=conceal(each.told), remedy=conceal(each.remedy))
        rows.append(finding)
        if not as_json:
            _tell(finding.state, f"{finding.about:<9} {typer.style(finding.name, bold=True)}  {finding.told}", finding.remedy)
    broken = sum(finding.state == "broken" for finding in rows)
    if as_json:
        typer.echo(json.dumps([finding.to_dict() for finding in rows], indent=2))
    else:
        notes = sum(finding.state == "note" for finding in rows)
        summary = f"{broken} broken" if broken else "nothing is broken"
        typer.echo(typer.style(f"\n{summary}, {notes} to note, {len(rows) - broken - notes} ok", fg="red" if broken else "green"))
    if broken:
        sys.exit(1)


def _tell(state: str, text: str, remedy: str) -> None:
    typer.echo(f"{typer.style(f'{state:<6}', fg=COLORS[state])}  {text}")
    if remedy:
        typer.echo(typer.style(f"          -> {remedy}", fg=COLORS[state]))
