from .allowed import VARIABLE as VARIABLE, allow_list as allow_list, is_first_party as is_first_party
from .calling import place_of as place_of, plugin_call as plugin_call
from .content import content_hash as content_hash
from .descriptions import describe_component as describe_component
from .discovery import (
    FIRST_PARTY as FIRST_PARTY,
    Entry as Entry,
    find as find,
    installed as installed,
    suggest_component as suggest_component,
)
from .distributions import (
    DamagedMetadata as DamagedMetadata,
    canonical_name as canonical_name,
    distribution as distribution,
    entry_points as entry_points,
    find_damaged as find_damaged,
)
from .health import HealthFinding as HealthFinding, check_components as check_components
from .kinds import GROUPS as GROUPS, Kind as Kind, singular as singular
from .loading import BASES as BASES, load as load
from .origins import Origin as Origin, component_origins as component_origins, describe_changes as describe_changes
from .plugins import (
    Plugin as Plugin,
    PluginProblem as PluginProblem,
    State as State,
    find_plugins as find_plugins,
    plugin_problems as plugin_problems,
    unknown_names as unknown_names,
)
from .probe import ProbeResult as ProbeResult, probe_component as probe_component
from .trust import time_limit as time_limit
from .versions import CORE as CORE
