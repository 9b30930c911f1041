from .batch_size import SIZES as SIZES
from .generator import Drawn as Drawn, Generator as Generator, draw_labels as draw_labels
from .nfe import expected_nfe as expected_nfe
