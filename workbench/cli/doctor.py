"""wb doctor"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Annotated

import typer

import workbench as wb
from workbench.home import wb_home
from workbench.secrets import conceal

COLORS = {"ok": "green", "note": "yellow", "broken": "red"}


def doctor(
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=0.1, help="Time limit for the import of a component.", show_default="30"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check everything a run needs: libraries, every installed component, weights, data, the tracking store.

    Each package is imported in a process of its own: one that hangs or ends the process is reported in a line. Exit code 1 if something is
    broken; something merely absent is a note.

    [bold]wb doctor[/]
    [bold]wb doctor --seconds 5 --json[/]
    """
    findings: list[wb.registry.HealthFinding] = []
    for finding in wb.runs.check_health(wb_home(), wb.registry.time_limit() if seconds is None else seconds):
        # Messages of plugins and stores may quote the environment.
        finding = replace(finding, message=conceal(finding.message), remedy=conceal(finding.remedy))
        findings.append(finding)
        if not as_json:
            _print(finding)
    broken = sum(finding.state == "broken" for finding in findings)
    if as_json:
        typer.echo(json.dumps([finding.to_dict() for finding in findings], indent=2))
    else:
        notes = sum(finding.state == "note" for finding in findings)
        summary = f"{broken} broken" if broken else "nothing is broken"
        counts = f"\n{summary}, {notes} notes, {len(findings) - broken - notes} ok"
        typer.echo(typer.style(counts, fg="red" if broken else "green"))
    if broken:
        sys.exit(1)


def _print(finding: wb.registry.HealthFinding) -> None:
    color = COLORS[finding.state]
    name = typer.style(finding.name, bold=True)
    typer.echo(f"{typer.style(f'{finding.state:<6}', fg=color)}  {finding.about:<9} {name}  {finding.message}")
    if finding.remedy:
        typer.echo(typer.style(f"          -> {finding.remedy}", fg=color))
