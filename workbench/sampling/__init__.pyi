from .batch_size import SIZES as SIZES
from .generator import Drawn as Drawn, Generator as Generator, draw_labels as draw_labels
from .labels import choose_labels as choose_labels
from .nfe import expected_nfe as expected_nfe
from .options import options_for_sampler as options_for_sampler, sampler_from_options as sampler_from_options
