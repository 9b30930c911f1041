"""Any scheduler of diffusers as a sampler."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, final

from pydantic import Field, field_validator, model_validator

from wb_diffusers.catalogue import BRIDGED
from wb_diffusers.move import Level, Memory, Move, copy_scheduler
from wb_diffusers.options import check_name, check_options, constructor_arguments
from workbench.interfaces import NoiseSource, PosteriorMean, Sampler

if TYPE_CHECKING:
    from torch import Tensor

Option = bool | int | float | str


@final
class DiffusersSampler(Sampler[Memory]):
    """A scheduler of diffusers, called one move at a time with the grid it needs, our posterior mean in its parameterization, and our noise.

    The scheduler object is passed from move to move as state and not changed afterwards. Coefficients are float64, but most schedulers
    always compute in float32. A scheduler that depends on the distance to the end of the grid gets it only when a move ends at the data.
    A wrong name, an option that the scheduler does not have, and an option that the recipe decides are errors.
    """

    scheduler: str = Field("DPMSolverMultistepScheduler", description="name of the class, e.g. EulerDiscreteScheduler")
    options: dict[str, Option] = Field(
        default_factory=dict,
        description="its constructor's arguments, except those that choose a schedule, a grid or a prediction type",
    )

    def __hash__(self) -> int:
        """Equal samplers have equal hashes, although a dict cannot be hashed."""
        return hash((self.scheduler, *sorted(self.options.items())))

    @field_validator("scheduler")
    @classmethod
    def _bridged(cls, name: str) -> str:
        check_name(name)
        return name

    @model_validator(mode="after")
    def _options_fit(self) -> DiffusersSampler:
        if self.options:
            check_options(self.scheduler, self.options, constructor_arguments(self.scheduler))
        return self

    def step(
        self, posterior: PosteriorMean, x: Tensor, t: float, s: float, *, state: Memory | None, noise: NoiseSource
    ) -> tuple[Tensor, Memory | None]:
        """One move t -> s of `x` [b, c, ...]."""
        import torch

        from wb_diffusers.families import FAMILIES

        bridged = BRIDGED[self.scheduler]
        move = Move(
            posterior=posterior,
            x=x.to(torch.promote_types(x.dtype, torch.float32)),
            start=Level.at(posterior.schedule, t, bridged.limit),
            end=Level.at(posterior.schedule, s, bridged.limit),
            noise=noise,
            dtype=x.dtype,
            bridged=bridged,
            new=self._new,
            step_options={name: value for name, value in self.options.items() if name in bridged.step_options},
        )
        x_s, memory = FAMILIES[bridged.family](move, state)
        return x_s.to(x.dtype), memory

    def convergence_order(self) -> int | None:
        """The order claimed for the scheduler with these options; None if it adds noise."""
        random = (
            self.options.get("eta", 0.0) != 0.0,
            str(self.options.get("algorithm_type", "")).startswith("sde"),
            self.options.get("stochastic_sampling", False),
        )
        claimed = BRIDGED[self.scheduler].order
        if claimed is None or any(random):
            return None
        if self.scheduler == "UniPCMultistepScheduler":  # the corrector adds one, and the first move limits the order to three
            return min(int(self.options.get("solver_order", 2)) + 1, 3)
        return int(self.options.get("solver_order", self.options.get("order", claimed)))

    def _new(self) -> Any:
        return copy_scheduler(_constructed(self))


@functools.lru_cache(maxsize=64)
def _constructed(sampler: DiffusersSampler) -> Any:
    """The scheduler as constructed, to be copied: some take long to construct."""
    bridged = BRIDGED[sampler.scheduler]
    chosen = {name: value for name, value in sampler.options.items() if name not in bridged.step_options}
    if str(chosen.get("algorithm_type", "")) in ("dpmsolver", "sde-dpmsolver"):
        chosen["final_sigmas_type"] = "sigma_min"  # required by these algorithms; the grid is set by the bridge anyway
    return _class(sampler.scheduler)(**{**bridged.defaults, **chosen, **bridged.decided})


@functools.cache
def _class(name: str) -> Any:
    import diffusers

    return getattr(diffusers, name)
