"""A recipe as typed values: the complete description of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field, SkipValidation, field_validator

from workbench.interfaces import Component, Dataset, Denoiser, FeatureExtractor, NoiseSchedule, Sampler, SampleSpec
from workbench.interfaces.paths import RelativeTo
from workbench.recipe.search import Sweep
from workbench.recipe.section import Section
from workbench.registry import Kind, Origin, component_origins
from workbench.secrets import has_secret
from workbench.sqlite import absolute_url

C = TypeVar("C", bound=Component)
MAX_STEPS = 100_000_000
MAX_MINUTES = 10_000_000.0
MAX_IMAGES = 100_000_000
# Characters that make a name unreadable: control characters, line ends, and marks that change the direction of writing.
HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
# An [evaluate.sampler] that does not set these takes them from [sampler]: otherwise other images are measured than are drawn.
INHERITED = ("guidance", "clamp")
Spacing = Literal["uniform", "quadratic", "trailing", "karras", "logsnr", "explicit"]


class Slot(Section, Generic[C]):
    """A component chosen by name: `use` and the component its table was validated into."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    use: str
    # The registry has checked the class, and the class its fields.
    component: SkipValidation[C]

    def table(self) -> dict[str, Any]:
        """The recipe table from which this slot can be built again."""
        return {"use": self.use, **self.component.model_dump(mode="json", exclude_none=True)}


class Churn(Section):
    """Many small moves up before moves down: EDM's stochastic sampling."""

    amount: float = Field(gt=0.0, description="S_churn: each move up multiplies sigma by up to 1 + amount / steps")
    low: float = Field(0.05, ge=0.0, description="smallest sigma/alpha with moves up")
    high: float | None = Field(50.0, gt=0.0, description="largest sigma/alpha with moves up")


class Restart(Section):
    """Long moves up, and the same interval down again."""

    times: int = Field(1, ge=1, le=1000, description="number of repetitions")
    low: float = Field(0.1, gt=0.0, description="sigma/alpha at which a move up starts")
    high: float = Field(2.0, gt=0.0, description="sigma/alpha at which a move up ends")


class SamplerSettings(Section):
    """Settings that every sampler has."""

    steps: int = Field(50, ge=1, le=10_000, description="moves from noise to data; with explicit times, their number")
    spacing: Spacing = Field("uniform", description="distribution of the steps over time")
    times: tuple[float, ...] | None = Field(
        None, max_length=4_001, description="for spacing = 'explicit': every time, from 1 to 0"
    )
    rho: float | None = Field(
        None, ge=1.0, le=100.0, description="for spacing = 'karras': finer near the data the larger it is [7]"
    )
    sigma_min: float | None = Field(
        None,
        gt=0.0,
        description="for 'karras' and 'logsnr': sigma/alpha before the last step [0.002, or the smallest of a table]",
    )
    sigma_max: float | None = Field(
        None, gt=0.0, description="for 'karras' and 'logsnr': sigma/alpha of the first step [80, or the largest of the schedule]"
    )
    churn: Churn | None = Field(None, description="small moves up before moves down (Karras et al. 2022, algorithm 2)")
    restart: Restart | None = Field(None, description="long moves up and the same interval down again (Xu et al. 2023)")
    clamp: bool = Field(True, description="keep the predicted data in [-1, 1] at every step")
    guidance: float = Field(1.0, ge=0.0, le=100.0, description="classifier-free guidance scale; 1: no guidance")


class SamplerSlot(SamplerSettings, Slot[Sampler[Any]]):
    """A sampler, its time grid, and what is wrapped around the network."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    def table(self) -> dict[str, Any]:
        """The recipe table from which this slot can be built again."""
        core = self.model_dump(mode="json", exclude_none=True, include=set(SamplerSettings.model_fields))
        return {**super().table(), **core}


class ObjectiveSettings(Section):
    """[objective]: the times in training and the weights of errors."""

    times: Literal["auto", "grid", "uniform", "lognormal"] = Field(
        "auto",
        description="auto: the T times of a schedule that is a table, else uniform; lognormal: ln(sigma/alpha) is normal",
    )
    weight: Literal["simple", "min_snr", "edm"] = Field(
        "simple", description="simple: 1; min_snr: min(SNR, gamma) on x0; edm: Karras et al. 2022"
    )
    gamma: float = Field(5.0, gt=0.0, le=1e9, description="upper limit of the weight of min_snr")
    mean: float = Field(-1.2, ge=-100.0, le=100.0, description="mean of ln(sigma/alpha) for lognormal times")
    std: float = Field(1.2, gt=0.0, le=100.0, description="standard deviation of ln(sigma/alpha) for lognormal times")


class Train(Section):
    """[train]: how the network is trained."""

    steps: int = Field(10_000, ge=1, le=MAX_STEPS, description="optimizer steps")
    max_minutes: float | None = Field(
        None, gt=0.0, le=MAX_MINUTES, description="stop after this many minutes of training, if steps are not reached before"
    )
    batch_size: int = Field(64, ge=1, le=65_536, description="images per step")
    micro_batch: int | None = Field(
        None, ge=1, le=65_536, description="images in memory at once: gradients are accumulated; if absent, batch_size"
    )
    learning_rate: float = Field(2e-4, gt=0.0, le=1.0, description="AdamW's learning rate after the warm-up")
    decay: Literal["constant", "cosine"] = Field("constant", description="course of the learning rate after the warm-up")
    warmup: int = Field(200, ge=0, le=MAX_STEPS, description="steps over which the learning rate rises from 0")
    weight_decay: float = Field(0.0, ge=0.0, le=100.0, description="AdamW's decoupled weight decay")
    beta2: float = Field(0.999, gt=0.0, lt=1.0, description="AdamW's second moment decay")
    clip: float | None = Field(1.0, gt=0.0, description="largest gradient norm")
    ema: float = Field(
        0.9995, ge=0.0, lt=1.0, description="decay of the average of the weights; early in training (1 + step) / (10 + step)"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="bf16: autocast; auto: bf16 on recent GPUs, and on a CPU if a step of this network is faster with it"
    )
    fast_path: Literal["auto", "off"] = Field(
        "auto",
        description="auto: faster CPU kernels, CUDA graphs, torch.compile in long runs, each where measured to pay; off: plain PyTorch",
    )
    flip: bool = Field(True, description="mirror half of the images")
    condition: bool = Field(False, description="condition the network on class labels")
    label_dropout: float = Field(0.1, ge=0.0, le=1.0, description="fraction of labels hidden in training, for guidance")
    log_every: int = Field(20, ge=1, le=MAX_STEPS, description="steps between logged metrics")
    validate_every: int = Field(500, ge=0, le=MAX_STEPS, description="steps between validation losses; 0: at the end only")
    checkpoint_every: int = Field(1000, ge=1, le=MAX_STEPS, description="steps between checkpoints")

    @property
    def rows_at_once(self) -> int:
        """Images that a training step holds in memory at once."""
        return min(self.batch_size, self.micro_batch or self.batch_size)


class Evaluate(Section):
    """[evaluate]: the measurements, their interval and their number of images."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    samples: int = Field(1000, ge=2, le=1_000_000, description="generated images for the distances")
    real: int | None = Field(
        None, ge=2, le=MAX_IMAGES, description="real images for the distances; all of the training split if absent"
    )
    every: int = Field(0, ge=0, le=MAX_STEPS, description="steps between evaluations; 0: at the end only")
    at_start: bool = Field(True, description="also measure the untrained network")
    batch_size: int | None = Field(
        None, ge=1, le=65_536, description="images sampled at once; absent: the fastest number here, with the same images"
    )
    grid: int = Field(36, ge=1, le=400, description="images in the sample grid")
    sampler: SamplerSlot | None = Field(
        None, description="another sampler for evaluation; guidance and clamp are those of [sampler] unless set here"
    )
    features: tuple[Slot[FeatureExtractor], ...] = Field(
        (), description="feature extractors: a name, or a table with `use`; absent: efficientnet_lite0"
    )
    neighbours: int = Field(8, ge=0, le=64, description="samples whose nearest training images are shown")


class Tracking(Section):
    """[tracking]: the store that records the run."""

    uri: Annotated[str, RelativeTo(absolute_url)] | None = Field(
        None, description="MLflow tracking URI; default: mlflow/mlflow.db under WB_HOME"
    )
    experiment: str = Field("workbench", min_length=1, max_length=200, description="MLflow experiment")

    @field_validator("uri")
    @classmethod
    def _check_uri(cls, uri: str | None) -> str | None:
        if uri is not None and has_secret(uri):
            raise ValueError(
                "holds a password, and recipes are copied into run folders and tracking stores: leave it out here, and set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD for a server, or MLFLOW_TRACKING_URI to the whole URI of a database"
            )
        return None if uri is None else absolute_url(uri)

    @field_validator("experiment")
    @classmethod
    def _check_experiment(cls, name: str) -> str:
        if not name.strip() or HIDDEN.search(name):
            raise ValueError("must be readable: no control characters, line ends or marks of writing direction")
        return name


class Heading(Section):
    """The keys of a recipe outside of tables."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$", description="name of the recipe and its runs")
    description: str = Field("", max_length=2000, description="one sentence about the recipe")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of every random value")
    parameterization: Literal["x0", "eps", "v", "flow", "edm"] = Field("eps", description="prediction type of the network")


class Recipe(Heading):
    """The complete settings of a run. Frozen: the same recipe and seed give the same run."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    dataset: Slot[Dataset]
    schedule: Slot[NoiseSchedule]
    denoiser: Slot[Denoiser]
    sampler: SamplerSlot
    objective: ObjectiveSettings = ObjectiveSettings()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    tracking: Tracking = Tracking()
    sweep: Sweep | None = None

    @property
    def evaluation_sampler(self) -> SamplerSlot:
        """The sampler of evaluations."""
        return self.evaluate.sampler or self.sampler

    def network_spec(self, data: SampleSpec) -> SampleSpec:
        """The specification that the network is built for: that of the data, without classes if the network is unconditional."""
        return data if self.train.condition else replace(data, classes=())

    def components(self) -> list[tuple[Kind, Slot[Any]]]:
        """Every component that the recipe names, with its kind."""
        slots: list[tuple[Kind, Slot[Any]]] = [
            ("datasets", self.dataset),
            ("schedules", self.schedule),
            ("denoisers", self.denoiser),
            ("samplers", self.sampler),
            *(("features", slot) for slot in self.evaluate.features),
        ]
        return slots if self.evaluate.sampler is None else [*slots, ("samplers", self.evaluate.sampler)]

    def table(self) -> dict[str, Any]:
        """The resolved recipe as plain TOML values: every field, defaults included. Loading them gives an equal recipe."""
        sections = {
            name: getattr(self, name).model_dump(mode="json", exclude_none=True) for name in ("objective", "train", "tracking")
        }
        evaluate = self.evaluate.model_dump(mode="json", exclude_none=True, exclude={"sampler", "features"})
        evaluate["features"] = [slot.table() for slot in self.evaluate.features]
        if self.evaluate.sampler is not None:
            evaluate["sampler"] = self.evaluate.sampler.table()
        slots = {name: getattr(self, name).table() for name in ("dataset", "schedule", "denoiser", "sampler")}
        plain = {"name": self.name, "description": self.description, "seed": self.seed, "parameterization": self.parameterization}
        sweep = {} if self.sweep is None else {"sweep": self.sweep.model_dump(mode="json", exclude_none=True)}
        return {**plain, **slots, **sections, "evaluate": evaluate, **sweep}

    def flat(self) -> dict[str, object]:
        """The resolved recipe with dotted keys, for comparisons."""
        return dict(flatten(self.table()))


def origins_of(recipe: Recipe) -> list[Origin]:
    """Distribution, version and hash of every component that the recipe names."""
    return component_origins((kind, slot.use) for kind, slot in recipe.components())


def flatten(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    """Pairs of dotted key and value; lists of tables by index."""
    pairs: list[tuple[str, object]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            pairs += flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for i, item in enumerate(value):
                pairs += flatten(item, f"{prefix}{key}.{i}.")
        else:
            pairs.append((f"{prefix}{key}", value))
    return pairs
