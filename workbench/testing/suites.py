"""The checks as pytest tests: classes to inherit from, and a decorator. pytest is imported only when they run."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import ValidationError

from workbench.interfaces import Component
from workbench.registry import Kind
from workbench.testing.checking import Check, kind_of, run_check
from workbench.testing.conformance import checks


class _Conformance:
    """Inherit one of the classes below, set `component`, and pytest runs every check of its kind.

    `component` is an instance, or a class: then a test creates the instance with the default fields.
    `expected_failures` declares deviations by check name, each with its reason; a declared check that passes is a failure too.
    """

    kind: ClassVar[Kind]
    component: ClassVar[Component | type[Component]]
    expected_failures: ClassVar[Mapping[str, str]] = {}

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """One test for each check."""
        if "check" in metafunc.fixturenames:
            applicable = checks(self.kind)
            metafunc.parametrize("check", applicable, ids=[check.name for check in applicable])

    def test_conforms(self, check: Check) -> None:
        """Run one check."""
        run_as_test(_instance(self.component), check, self.expected_failures)

    def test_declared_deviations_exist(self) -> None:
        """Every name in `expected_failures` is the name of a check."""
        unknown = sorted(set(self.expected_failures) - {check.name for check in checks(self.kind)})
        assert not unknown, f"there are no checks with the names {unknown}"  # noqa: S101 - a test


class ScheduleConformance(_Conformance):
    """The checks for a noise schedule."""

    kind = "schedules"


class DenoiserConformance(_Conformance):
    """The checks for a denoiser; use small settings."""

    kind = "denoisers"


class SamplerConformance(_Conformance):
    """The checks for a sampler."""

    kind = "samplers"


class DatasetConformance(_Conformance):
    """The checks for a dataset."""

    kind = "datasets"


class FeatureExtractorConformance(_Conformance):
    """The checks for a feature extractor."""

    kind = "features"


class LauncherConformance(_Conformance):
    """What a launcher has to do."""

    kind = "launchers"


def parametrize_with_checks(
    components: Sequence[Component], expected_failures: Mapping[str, str] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate `def test_conforms(component, check)` so that it runs for every check of every component.

    The body calls `check.run(component)`. Declared deviations become strict expected failures.
    """
    import pytest

    declared = dict(expected_failures or {})
    rows = []
    for component in components:
        for check in checks(kind_of(component)):
            reason = declared.get(check.name)
            marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True)]
            rows.append(pytest.param(component, check, id=f"{component!r}-{check.name}", marks=marks))
    return pytest.mark.parametrize(("component", "check"), rows)


def _instance(component: Component | type[Component]) -> Component:
    """Create the component; AssertionError, in one sentence, if a class has a field without a default."""
    if isinstance(component, Component):
        return component
    try:
        return component()
    except ValidationError as error:
        first, name = error.errors()[0], component.__name__
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
        raise AssertionError(
            f"{name} cannot be created with its default fields ({reason}): use an instance, component = {name}(...)"
        ) from None


def run_as_test(component: Component, check: Check, expected_failures: Mapping[str, str]) -> None:
    """Run a check as the body of a test: AssertionError if it fails, SkipTest if it does not apply."""
    result = run_check(component, check, expected_failures.get(check.name))
    if result.state == "skipped":
        raise unittest.SkipTest(result.message)
    if not result.conforms:
        raise AssertionError(f"{check.statement}\n{component!r}: {result.message}")
