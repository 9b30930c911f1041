"""What the time of a run went into."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.runs.folder import RunFolder


@dataclass(frozen=True)
class Durations:
    """Seconds of a run: of its optimizer steps, and of all its evaluations from sampling to pictures."""

    training: float
    evaluation: float

    @property
    def share(self) -> float:
        """The evaluations' part of both, in [0, 1]."""
        both = self.training + self.evaluation
        return self.evaluation / both if both > 0.0 else 0.0

    def metrics(self) -> dict[str, float]:
        """As they are logged when a run ends."""
        return {"eval/total_seconds": self.evaluation, "eval/share": self.share}


def measure_durations(run: RunFolder) -> Durations:
    """From the numbers in a run's folder, also over several calls that went on with it."""
    minutes, evaluations = 0.0, dict[int, float]()
    for line in run.numbers():
        metrics = line["metrics"]
        minutes = metrics.get("train/minutes", minutes)
        if "eval/seconds" in metrics:
            # A step that was evaluated again after a crash counts once, as it does in training.
            evaluations[line["step"]] = metrics["eval/seconds"]
    return Durations(60.0 * minutes, sum(evaluations.values()))
