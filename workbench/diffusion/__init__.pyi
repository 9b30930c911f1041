from .attention import attend as attend
from .beta_table import BetaTable as BetaTable
from .guidance import Guided as Guided
from .inversion import bisected_time as bisected_time
from .normalization import (
    fork_group_norm_silu as fork_group_norm_silu,
    group_norm_silu as group_norm_silu,
)
from .objective import Objective as Objective, diffuse as diffuse
from .parameterization import (
    PARAMETERIZATIONS as PARAMETERIZATIONS,
    Parameterization as Parameterization,
    check_combination as check_combination,
)
from .posterior import (
    Clamped as Clamped,
    ConditionalPosteriorMean as ConditionalPosteriorMean,
    Conditioned as Conditioned,
    Counted as Counted,
    Network as Network,
    NetworkPosterior as NetworkPosterior,
    level_of as level_of,
)
from .sampling import renoise as renoise, sample as sample, trajectory as trajectory
from .time_grid import TimeGrid as TimeGrid
