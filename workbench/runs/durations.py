"""How long a run trained and evaluated."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.runs.folder import RunFolder


@dataclass(frozen=True)
class Durations:
    """Seconds of all optimizer steps, and of all evaluations from sampling to grids."""

    training: float
    evaluation: float

    @property
    def share(self) -> float:
        """The share of evaluation, in [0, 1]."""
        both = self.training + self.evaluation
        return self.evaluation / both if both > 0.0 else 0.0

    def metrics(self) -> dict[str, float]:
        """The numbers to log at the end of a run."""
        return {"eval/total_seconds": self.evaluation, "eval/share": self.share}


def measure_durations(run: RunFolder) -> Durations:
    """The durations of a run from the numbers in its folder, also across resumptions."""
    minutes, evaluations = 0.0, dict[int, float]()
    for line in run.numbers():
        metrics = line["metrics"]
        minutes = metrics.get("train/minutes", minutes)
        if "eval/seconds" in metrics:
            # A step that was evaluated again after a crash counts once, as a training step does.
            evaluations[line["step"]] = metrics["eval/seconds"]
    return Durations(60.0 * minutes, sum(evaluations.values()))
