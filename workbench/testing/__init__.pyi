from .checking import (
    Check as Check,
    CheckResult as CheckResult,
    NotApplicable as NotApplicable,
    NotConforming as NotConforming,
    examine as examine,
    kind_of as kind_of,
    require as require,
)
from .conformance import checks as checks
from .matrix import every_denoiser as every_denoiser, every_sampler as every_sampler, every_schedule as every_schedule
from .moments import reached_moments as reached_moments
from .oracles import (
    Constant as Constant,
    ForbiddenNoise as ForbiddenNoise,
    GaussianOracle as GaussianOracle,
    MixtureOracle as MixtureOracle,
    OracleNetwork as OracleNetwork,
)
from .order import flow_errors as flow_errors, measured_order as measured_order
from .reference import QuarterCircle as QuarterCircle
from .suites import (
    DatasetConformance as DatasetConformance,
    DenoiserConformance as DenoiserConformance,
    FeatureExtractorConformance as FeatureExtractorConformance,
    LauncherConformance as LauncherConformance,
    SamplerConformance as SamplerConformance,
    ScheduleConformance as ScheduleConformance,
    parametrize_with_checks as parametrize_with_checks,
)
