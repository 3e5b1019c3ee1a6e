"""What a layer at a level costs, beside a dense pass over the same images, in one run.

    python benchmarks/sensitivity.py

resnet_small on drawn faces of 64 pixels, 13 layers × 2 sparsities, one thread. Passes alone: the
audits are timed apart, as the rest of the whole.
"""

from __future__ import annotations

import platform
import time
from pathlib import Path

import torch

import prunescope as ps
from seen import write_page

TRAIN, VAL, LEVELS = 512, 512, (0.5, 0.9)


def main():
    torch.set_num_threads(1)
    faces = ps.synthetic_faces(TRAIN, VAL, 1, size=64, seed=0)
    model = ps.build_model("resnet_small", faces.samples.attributes, image_size=64).eval()
    start = time.perf_counter()
    found = ps.layer_sensitivity(model, faces, levels=LEVELS)
    whole = time.perf_counter() - start
    info, n = found.info, found.measured.height
    judged = info.seconds_a_pass * VAL / (VAL + info.n_calibration)
    lines = [
        f"resnet_small, {n} layers and levels, {info.n_calibration} images to calibrate on and "
        f"{VAL} judged, one thread, {platform.machine()}, seed 0, on a busy machine",
        "",
        "| for each layer and level | value |",
        "|---|---|",
        f"| passes, beside a dense pass over all these images | {found.cost:.2f} |",
        f"| passes, beside a dense pass over the judged images | {info.seconds / n / judged:.2f} |",
        f"| all else (tracing, audits), seconds | {(whole - info.seconds) / n:.2f} |",
    ]
    out = Path(__file__).parent / "results" / "sensitivity.md"
    write_page(out, "\n".join(lines))
    print(out.read_text())


if __name__ == "__main__":
    main()
