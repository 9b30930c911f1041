from . import pictures as pictures
from .charts import QualityPoint as QualityPoint, plot_quality as plot_quality
from .distances import LEAST as LEAST, Distances as Distances, prepare_references as prepare_references
from .evaluation import evaluate as evaluate
from .pictures import grid as grid, stack_captioned as stack_captioned, to_uint8 as to_uint8
from .reference import Reference as Reference, extract as extract
from .samples import SampleBatch as SampleBatch, SampleSet as SampleSet, draw_samples as draw_samples
