from .build import (
    Parts as Parts,
    assemble as assemble,
    build_network as build_network,
    keyed_seed as keyed_seed,
    objective_of as objective_of,
)
from .contract import describe_value as describe_value, place_of_error as place_of_error
