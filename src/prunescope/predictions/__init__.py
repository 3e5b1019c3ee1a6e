"""What one model answered on one split: the only bridge from tensors to statistics.

A prediction file holds one row per sample: ``id``, ``y__<attribute>`` (true, false, null =
unlabelled), ``logit__<attribute>``, ``group__<name>``, optionally ``image``. A multi-class file
holds ``y`` (the class name) and one ``logit__<class>`` per class. Parquet carries its provenance
in the key ``prunescope`` of the file's metadata; CSV holds the same columns and no provenance.
"""

from prunescope.predictions.align import align
from prunescope.predictions.ask import predict
from prunescope.predictions.metadata import Compression, DatasetInfo, Metadata
from prunescope.predictions.record import Predictions, check_suffix
from prunescope.predictions.tables import train_rates_from

__all__ = [
    "Compression",
    "DatasetInfo",
    "Metadata",
    "Predictions",
    "align",
    "check_suffix",
    "predict",
    "train_rates_from",
]
