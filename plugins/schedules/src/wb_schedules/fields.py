"""Fields of the schedules with a table of betas."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Steps = Annotated[int, Field(ge=2, le=100_000, description="T, the number of betas in the table")]
ZeroTerminalSNR = Annotated[
    bool,
    Field(
        description="shift alpha so that nothing of the image is left at t = 1 (Lin et al. 2023); eps cannot be predicted then"
    ),
]
FirstBeta = Annotated[float, Field(gt=0.0, lt=1.0, description="the first beta, for T = 1000")]
LastBeta = Annotated[float, Field(gt=0.0, lt=1.0, description="the last beta, for T = 1000")]
ScaleToSteps = Annotated[
    bool, Field(description="multiply the betas by 1000 / T, so that log-SNR at t = 1 is nearly the same for every T")
]
