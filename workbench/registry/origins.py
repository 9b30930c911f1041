"""The code that the components of a run came from, and whether it has changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workbench.errors import ComponentError
from workbench.registry.content import content_hash
from workbench.registry.discovery import find
from workbench.registry.kinds import GROUPS, Kind, singular


@dataclass(frozen=True)
class Origin:
    """The distribution that a component came from."""

    kind: Kind
    use: str  # as the recipe names it
    distribution: str
    version: str
    sha256: str  # of the distribution's files

    def to_dict(self) -> dict[str, str]:
        """Plain values."""
        return asdict(self)


def component_origins(components: Iterable[tuple[Kind, str]]) -> list[Origin]:
    """The origins of components given by kind and name, without repetition."""
    origins = []
    for kind, use in dict.fromkeys(components):
        entry = find(kind, use)
        origins.append(Origin(kind, use, entry.distribution, entry.version, content_hash(entry.distribution)))
    return origins


def describe_changes(recorded: Sequence[Any]) -> list[str]:
    """One line for each recorded component (as `Origin.to_dict` returns it) whose code is different now."""
    lines = []
    for row in recorded:
        if not isinstance(row, dict) or row.get("kind") not in GROUPS or not row.get("sha256"):
            continue
        try:
            (now,) = component_origins([(row["kind"], str(row.get("use")))])
        except ComponentError:
            continue  # the check of the recipe reports it with its place
        if now.sha256 == row["sha256"] and now.distribution == row.get("distribution"):
            continue
        then = f"{row.get('distribution')} {row.get('version')} (sha256 {str(row['sha256'])[:12]})"
        lines.append(
            f"{singular(now.kind)} '{now.use}' is not the code the run was made with: {now.distribution} {now.version} "
            f"(sha256 {now.sha256[:12]}), then {then}"
        )
    return lines
