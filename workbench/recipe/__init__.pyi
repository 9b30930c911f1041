from .building import slot_of as slot_of
from .changes import change_sampler as change_sampler, changes_to as changes_to
from .checks import warnings as warnings
from .combinations import (
    AxisSettings as AxisSettings,
    described_fields as described_fields,
    sampler_combinations as sampler_combinations,
    variant as variant,
)
from .decisive import decisive_settings as decisive_settings
from .json_schema import schema as schema
from .layers import read_layers as read_layers
from .loading import dumps as dumps, load as load, load_stored as load_stored, relative_paths as relative_paths, save as save
from .messages import explain as explain
from .model import (
    Evaluate as Evaluate,
    ObjectiveSettings as ObjectiveSettings,
    Recipe as Recipe,
    SamplerSlot as SamplerSlot,
    Slot as Slot,
    Tracking as Tracking,
    Train as Train,
    origins_of as origins_of,
)
from .sampler_checks import check_sampler as check_sampler
from .search import Space as Space, Sweep as Sweep
from .sizes import count_images as count_images, size_warnings as size_warnings
from .starting import CORE_TABLES as CORE_TABLES, write_new_recipe as write_new_recipe
from .time_grid import time_grid_of as time_grid_of
from .toml import format_value as format_value, parse_value as parse_value, read as read
