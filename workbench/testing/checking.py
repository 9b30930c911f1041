"""Checks: what a conforming component does, each a statement that can be shown false."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workbench.interfaces import Component
from workbench.registry import BASES, Kind

State = Literal["passed", "failed", "expected", "unexpected", "skipped"]


class NotConforming(AssertionError):
    """A component does not do what its interface says; the message tells what was seen."""


class NotApplicable(Exception):
    """A check has nothing to say about a component, and why."""


@dataclass(frozen=True)
class Check:
    """One statement about components of a kind. `run` raises NotConforming or NotApplicable."""

    name: str
    kind: Kind
    statement: str
    run: Callable[[Any], None]


@dataclass(frozen=True)
class CheckResult:
    """What a check came to.

    "expected" is a declared deviation that fails as declared, "unexpected" a declared one that passes.
    """

    check: Check
    state: State
    message: str
    seconds: float

    @property
    def conforms(self) -> bool:
        """Whether there is nothing to mend."""
        return self.state not in ("failed", "unexpected")


def require(holds: bool, message: str) -> None:
    """Raise NotConforming unless `holds`."""
    if not holds:
        raise NotConforming(message)


def check_of(kind: Kind) -> Callable[[Callable[[Any], None]], Check]:
    """Make a function into a check named after it, its statement the first line of its docstring."""

    def made(function: Callable[[Any], None]) -> Check:
        statement = (function.__doc__ or "").strip().splitlines()[0]
        return Check(function.__name__, kind, statement, function)

    return made


def kind_of(component: Component) -> Kind:
    """The kind a component belongs to; TypeError where it is none of the workbench's."""
    for kind, base in BASES.items():
        if isinstance(component, base):
            return kind
    names = ", ".join(base.__name__ for base in BASES.values())
    raise TypeError(f"{type(component).__name__} is no component: it derives from none of {names}")


def examine(component: Component, expected_failures: Mapping[str, str] | None = None) -> Iterator[CheckResult]:
    """Run every check of the component's kind. `expected_failures` declares deviations by check name, each with its reason.

    ValueError for a declared check that does not exist.
    """
    from workbench.testing.conformance import checks

    declared, every = dict(expected_failures or {}), checks(kind_of(component))
    if unknown := sorted(declared.keys() - {check.name for check in every}):
        raise ValueError(f"no check is called {unknown[0]!r}; there are: {', '.join(check.name for check in every)}")
    for check in every:
        yield outcome(component, check, declared.get(check.name))


def outcome(component: Component, check: Check, declared: str | None = None) -> CheckResult:
    """Run one check; `declared` is the reason why it is expected to fail."""
    started = time.perf_counter()

    def ended(state: State, message: str) -> CheckResult:
        return CheckResult(check, state, message, time.perf_counter() - started)

    try:
        check.run(component)
    except NotApplicable as reason:
        return ended("skipped", str(reason))
    except NotConforming as error:
        return ended("failed", str(error)) if declared is None else ended("expected", f"{declared} ({error})")
    except (Exception, SystemExit) as error:  # a stranger's component may raise anything
        seen = f"raises {type(error).__name__}: {error}"
        return ended("failed", seen) if declared is None else ended("expected", f"{declared} ({seen})")
    if declared is not None:
        return ended("unexpected", f"was declared to fail ({declared}), and passes: remove it from expected_failures")
    return ended("passed", "")
