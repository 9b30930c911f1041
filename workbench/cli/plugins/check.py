"""wb plugins check"""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated, Any

import typer

import workbench as wb
from workbench.cli.completion import complete_component
from workbench.errors import Problem, RecipeError, UnknownComponent
from workbench.registry import Kind

STATES = {
    "passed": ("ok", "green"),
    "failed": ("FAILED", "red"),
    "expected": ("deviates", "yellow"),
    "unexpected": ("FAILED", "red"),
    "skipped": ("skipped", "bright_black"),
}


def check(
    component: Annotated[
        str, typer.Argument(metavar="COMPONENT", help="A name from `wb list`.", autocompletion=complete_component)
    ],
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="FIELD=VALUE", help="Set a field of the component. Repeatable.", show_default=False),
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option(help="Kind of the component, if several kinds have this name.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check an installed component against the laws of its kind. Exit code 1 if it breaks one.

    The tests of a package run the same checks, see docs/plugins. A launcher starts short commands for it.

    [bold]wb plugins check ddim --set eta=1[/]
    [bold]wb plugins check my-package:mine --json[/]
    """
    entry = _find(component, kind)
    checked = _build(entry, component, fields or [])
    started, outcomes = time.perf_counter(), []
    if not as_json:
        shown = "".join(f" {name}={value!r}" for name, value in checked.model_dump(exclude_defaults=True).items())
        typer.echo(f"{typer.style(entry.name, bold=True)}{shown}  {entry.distribution} {entry.version}")
    for outcome in wb.testing.examine(checked):
        outcomes.append(outcome)
        if not as_json:
            _print_outcome(outcome)
    broken = [outcome for outcome in outcomes if outcome.state in ("failed", "unexpected")]
    if as_json:
        typer.echo(json.dumps(_report(entry, checked, outcomes), indent=2))
    else:
        _print_summary(outcomes, broken, time.perf_counter() - started)
    if broken:
        sys.exit(1)


def _find(name: str, kind: str | None) -> wb.registry.Entry:
    kinds = [group for group in wb.registry.GROUPS if kind in (None, group)]
    owners = [group for group in kinds if any(entry.matches(name) for entry in wb.registry.installed(group, hidden=True))]
    if not owners:
        subject = f"no component of {kind}" if kind else "no component"
        raise UnknownComponent(f"{subject} is called '{name}'{wb.registry.suggest_component(name)}  (wb list)")
    if len(owners) > 1:
        raise UnknownComponent(f"'{name}' is the name of components of several kinds: add --kind {' or --kind '.join(owners)}")
    return wb.registry.find(owners[0], name)


def _build(entry: wb.registry.Entry, name: str, fields: list[str]) -> wb.interfaces.Component:
    from pydantic import ValidationError

    values: dict[str, Any] = {}
    for text in fields:
        key, sign, value = text.partition("=")
        if not sign:
            raise RecipeError([Problem("--set", None, text, "expected FIELD=VALUE")])
        values[key.strip()] = wb.recipe.parse_value(value)
    cls: type[wb.interfaces.Component] = wb.registry.load(entry.kind, entry.qualified)
    with wb.registry.plugin_call(entry.kind, entry.qualified, "making it from its fields"):
        try:
            return cls.model_validate_json(json.dumps(values, default=str), strict=True)
        except ValidationError as error:
            problems = [
                Problem(
                    "--set", None, ".".join(map(str, detail["loc"])), wb.recipe.explain(detail, cls.model_fields, f"'{name}'")
                )
                for detail in error.errors()
            ]
            raise RecipeError(problems) from error


def _print_outcome(outcome: wb.testing.CheckResult) -> None:
    word, color = STATES[outcome.state]
    duration = typer.style(f"  {outcome.seconds:.0f} s", dim=True) if outcome.seconds >= 1.0 else ""
    typer.echo(f"  {typer.style(f'{word:<8}', fg=color)}  {outcome.check.name:<20}  {outcome.check.statement}{duration}")
    if outcome.message and outcome.state != "passed":
        for line in outcome.message.splitlines():
            typer.echo(typer.style(f"            {line}", fg=color))


def _print_summary(outcomes: list[wb.testing.CheckResult], broken: list[wb.testing.CheckResult], seconds: float) -> None:
    counts = {word: sum(STATES[outcome.state][0] == word for outcome in outcomes) for word, _ in STATES.values()}
    summary = ", ".join(f"{count} {word.lower()}" for word, count in counts.items() if count)
    typer.echo(typer.style(f"{summary}  ({seconds:.1f} s)", fg="red" if broken else "green"))


def _report(entry: wb.registry.Entry, checked: wb.interfaces.Component, outcomes: list[wb.testing.CheckResult]) -> dict[str, Any]:
    return {
        "component": entry.qualified,
        "kind": entry.kind,
        "version": entry.version,
        "fields": checked.model_dump(mode="json"),
        "checks": [
            {
                "name": outcome.check.name,
                "statement": outcome.check.statement,
                "state": outcome.state,
                "message": outcome.message,
                "seconds": round(outcome.seconds, 3),
            }
            for outcome in outcomes
        ],
    }
