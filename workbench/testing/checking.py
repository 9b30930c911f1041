"""Checks: statements about conforming components, each of which can fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workbench.interfaces import Component
from workbench.registry import BASES, Kind

State = Literal["passed", "failed", "expected", "unexpected", "skipped"]


class NotConforming(AssertionError):
    """A component does not do what its interface says; the message describes what was measured."""


class NotApplicable(Exception):
    """A check does not apply to a component; the message is the reason."""


@dataclass(frozen=True)
class Check:
    """One statement about components of a kind. `run` raises NotConforming or NotApplicable."""

    name: str
    kind: Kind
    statement: str
    run: Callable[[Any], None]


@dataclass(frozen=True)
class CheckResult:
    """The result of a check.

    "expected" is a declared deviation that fails as declared, "unexpected" a declared one that passes.
    """

    check: Check
    state: State
    message: str
    seconds: float

    @property
    def conforms(self) -> bool:
        """True if there is nothing to fix."""
        return self.state not in ("failed", "unexpected")


def require(holds: bool, message: str) -> None:
    """Raise NotConforming unless `holds`."""
    if not holds:
        raise NotConforming(message)


def check_of(kind: Kind) -> Callable[[Callable[[Any], None]], Check]:
    """Turn a function into a check with its name; the statement is the first line of its docstring."""

    def decorate(function: Callable[[Any], None]) -> Check:
        statement = (function.__doc__ or "").strip().splitlines()[0]
        return Check(function.__name__, kind, statement, function)

    return decorate


def kind_of(component: Component) -> Kind:
    """The kind of a component; TypeError if it derives from none of the base classes."""
    for kind, base in BASES.items():
        if isinstance(component, base):
            return kind
    names = ", ".join(base.__name__ for base in BASES.values())
    raise TypeError(f"{type(component).__name__} is not a component: it derives from none of {names}")


def examine(component: Component, expected_failures: Mapping[str, str] | None = None) -> Iterator[CheckResult]:
    """Run every check of the component's kind. `expected_failures` declares deviations by check name, each with its reason.

    ValueError for a declared check that does not exist.
    """
    from workbench.testing.conformance import checks

    declared, applicable = dict(expected_failures or {}), checks(kind_of(component))
    if unknown := sorted(declared.keys() - {check.name for check in applicable}):
        raise ValueError(f"no check is called {unknown[0]!r}; there are: {', '.join(check.name for check in applicable)}")
    for check in applicable:
        yield run_check(component, check, declared.get(check.name))


def run_check(component: Component, check: Check, declared: str | None = None) -> CheckResult:
    """Run one check; `declared` is the reason why it is expected to fail."""
    started = time.perf_counter()

    def result(state: State, message: str) -> CheckResult:
        return CheckResult(check, state, message, time.perf_counter() - started)

    try:
        check.run(component)
    except NotApplicable as reason:
        return result("skipped", str(reason))
    except NotConforming as error:
        return result("failed", str(error)) if declared is None else result("expected", f"{declared} ({error})")
    except (Exception, SystemExit) as error:  # third-party code may raise anything
        raised = f"raises {type(error).__name__}: {error}"
        return result("failed", raised) if declared is None else result("expected", f"{declared} ({raised})")
    if declared is not None:
        return result("unexpected", f"was declared to fail ({declared}), and passes: remove it from expected_failures")
    return result("passed", "")
