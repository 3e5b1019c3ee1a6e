"""Audit what is shipped: int8 files of ONNX Runtime, LiteRT and OpenVINO beside their float ones.

    python examples/runtimes/run.py out

draws faces, fits a small network to them, writes and quantises it for each runtime, asks every file
through its runtime, and audits int8 against float. The folder `out` then has, for each runtime, the
two files, their predictions, and the audit (`prunescope report` makes its page).
docs/shipped-files.md does the same by commands.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import small_net

import prunescope as ps
from prunescope.data import export_dataset
from prunescope.runtimes import open_model

CALIBRATION_IMAGES = 200


def main(out: Path, n_train: int = 1500, n_test: int = 2000) -> None:
    """Make the files, and audit each runtime's."""
    faces = ps.synthetic_faces(n_train, 1, n_test, size=32)
    export_dataset(faces, out / "faces")
    train, test = faces.split("train"), faces.split("test")
    net = small_net.fit(train)
    shown = train.images(np.arange(min(CALIBRATION_IMAGES, len(train)))) / np.float32(255)
    for suffix, folder in write(net, shown, out).items():
        answers = {}
        for name in ("float", "int8"):
            model = open_model(folder / f"{name}.{suffix}", input_range=(0, 1))
            rates = train.samples.rates()
            metadata = ps.Metadata(
                name=name,
                model=model.about,
                train_prevalence=dict(rates.prevalence),
                train_group_rates={g: dict(of) for g, of in rates.group_rates.items()},
            )
            answers[name] = ps.predict(model, test, metadata)
            answers[name].save(folder / f"{name}.parquet")
        result = ps.audit(answers["float"], answers["int8"], replicates=200)
        result.save(folder / "audit")
        differ = (answers["float"].decisions != answers["int8"].decisions).mean()
        print(f"{model.runner.runtime}: int8 gives another answer in {differ:.2%}; {folder}/audit")


def write(net: small_net.Net, shown: small_net.Floats, out: Path) -> dict[str, Path]:
    """Write float and int8 files for each runtime; return their suffix and folder."""
    onnx, litert, openvino = (out / name for name in ("onnx", "litert", "openvino"))
    for folder in (onnx, litert, openvino):
        folder.mkdir(parents=True, exist_ok=True)
    small_net.write_onnx(net, onnx / "float.onnx")
    small_net.quantize_onnx(onnx / "float.onnx", shown, onnx / "int8.onnx")
    small_net.write_litert(net, litert / "float.tflite")
    small_net.quantize_litert(litert / "float.tflite", shown, litert / "int8.tflite")
    small_net.write_openvino(onnx / "float.onnx", openvino / "float.xml")
    small_net.quantize_openvino(openvino / "float.xml", shown, openvino / "int8.xml")
    return {"onnx": onnx, "tflite": litert, "xml": openvino}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
