"""Going through the combinations, and saying how far it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.console import Console
from rich.markup import escape

import workbench as wb
from workbench.cli.evaluation.bar import EvaluationBar
from workbench.cli.evaluation.record import TrackedEvaluation
from workbench.errors import DistanceError, SamplingError


def measure_run(
    evaluator: wb.runs.CombinationEvaluator,
    slots: Sequence[wb.recipe.SamplerSlot],
    varied: Collection[str],
    record: TrackedEvaluation | None,
    console: Console,
) -> list[wb.runs.CombinationResult]:
    """What is kept of the combinations and, one after the other, what is not; each is recorded as soon as it is there.

    A combination whose images are not finite, or whose distances cannot be computed, is left out with its reason; where no other is left,
    the first reason is raised as SamplingError or DistanceError.
    """
    names = [f"{wb.recipe.variant(slot, varied)} {slot.steps} steps" for slot in slots]
    kept = [evaluator.kept(slot) for slot in slots]
    costs = [evaluator.cost(slot) if before is None else 0 for slot, before in zip(slots, kept, strict=True)]
    new = kept.count(None)
    console.print(
        f"{len(slots)} combination{'s' if len(slots) > 1 else ''}: {len(slots) - new} kept from before, {new} to compute"
    )
    found, failed = list[wb.runs.CombinationResult](), list[SamplingError | DistanceError]()
    with EvaluationBar(console, new, sum(costs) * evaluator.samples) as bar:
        for name, slot, before, cost in zip(names, slots, kept, costs, strict=True):
            try:
                evaluation = before or bar.follow(name, cost, lambda told, slot=slot: evaluator.measure(slot, told))  # type: ignore[misc]
            except (SamplingError, DistanceError) as error:
                console.print(f"[yellow]{escape(name)} is left out: {escape(str(error))}[/]")
                failed.append(error)
                continue
            if record is not None:
                record.combination(name, evaluation)
            found.append(evaluation)
    if not found:
        raise failed[0]
    return found
