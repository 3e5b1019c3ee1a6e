"""What one model answered on one split: the only bridge from tensors to statistics.

A prediction file holds one row per sample: ``id``, ``y__<attribute>`` (true, false, null =
unlabelled), ``logit__<attribute>``, ``group__<name>``, optionally ``image``. A multi-class file
holds ``y`` (the class name) and one ``logit__<class>`` per class. Parquet carries its provenance
in the key ``prunescope`` of the file's metadata; CSV holds the same columns and no provenance.
Files of other tools are read by a mapping from our names of columns to theirs.
"""

from prunescope.predictions.about import is_about, read_about
from prunescope.predictions.adjust import adjust, settle
from prunescope.predictions.adjustment import Adjustment, Adjustments, Curve, read_adjustments
from prunescope.predictions.align import align, in_order_of, on_samples_of
from prunescope.predictions.ask import embed, no_features, predict, with_layers
from prunescope.predictions.columns import read_mapping, rename
from prunescope.predictions.embeddings import Embeddings, check_parquet
from prunescope.predictions.metadata import Compression, DatasetInfo, Metadata
from prunescope.predictions.reading import check_suffix
from prunescope.predictions.record import Predictions
from prunescope.predictions.scores import Scores
from prunescope.predictions.several import Truth, each, read_models
from prunescope.predictions.tables import train_rates_from
from prunescope.predictions.thresholds import check_thresholds, read_thresholds
from prunescope.predictions.told import Told

__all__ = [
    "Adjustment",
    "Adjustments",
    "Compression",
    "Curve",
    "DatasetInfo",
    "Embeddings",
    "Metadata",
    "Predictions",
    "Scores",
    "Told",
    "Truth",
    "adjust",
    "align",
    "check_parquet",
    "check_suffix",
    "check_thresholds",
    "each",
    "embed",
    "in_order_of",
    "is_about",
    "no_features",
    "on_samples_of",
    "predict",
    "read_about",
    "read_adjustments",
    "read_mapping",
    "read_models",
    "read_thresholds",
    "rename",
    "settle",
    "train_rates_from",
    "with_layers",
]
