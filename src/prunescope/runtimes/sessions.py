"""Sessions of ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(model: Path | bytes, *, threads: int = 0) -> InferenceSession:
    """Load an ONNX model, a file or its bytes, on the CPU; 0 threads: as many as there are."""
    import onnxruntime  # here, for what only may need it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors alone
    # Threads that wait must not spin: they would take the cores from another model's session.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
