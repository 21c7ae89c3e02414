from __future__ import annotations
import os
from typing import Annotated
import bentoml
import numpy as np
import onnxruntime as ort
from bentoml.validators import DType
from bentoml import IODescriptor
from pydantic import AfterValidator, create_model

MODEL = os.environ["MODEL_PATH"]
so = ort.SessionOptions()
so.intra_op_num_threads = int(os.environ.get("ORT_THREADS", "1"))
so.inter_op_num_threads = 1

# The models differ only in names and types: ids int64 -> probabilities, x float32 -> y.
IN, DT, OUT = ("x", "float32", "y") if os.path.basename(MODEL).startswith("mid") else ("ids", "int64", "probabilities")
IN, DT, OUT = (os.environ.get("PEER_IO") or f"{IN},{DT},{OUT}").split(",")

WIDTH = int(os.environ.get("PEER_WIDTH") or {"ids": 32, "x": 256}[IN])


def check(a: np.ndarray) -> np.ndarray:  # before batching: one ill-shaped row would fail the whole batch it fell into
    if a.ndim != 2 or a.shape[1] != WIDTH:
        raise ValueError(f"{IN} must be [batch, {WIDTH}]")
    return a


# A batchable API hands arrays in and out; these two only give the JSON its field names.
Input = create_model("Input", __base__=IODescriptor, __module__=__name__, **{IN: (Annotated[np.ndarray, DType(DT), AfterValidator(check)], ...)})


class Output(create_model("Output", __base__=IODescriptor, __module__=__name__, **{OUT: (Annotated[np.ndarray, DType("float32")], ...)})):
    @classmethod
    async def to_http_response(cls, obj, serde):
        return await super().to_http_response(cls(**{OUT: obj}), serde)


@bentoml.service(
    workers=int(os.environ.get("PEER_WORKERS", "2")),
    threads=int(os.environ.get("PEER_THREADS", "1")),
    traffic={"timeout": 60},
    metrics={"enabled": os.environ.get("PEER_METRICS", "1") == "1"},
    logging={"access": {"enabled": False}},
)
class OnnxService:
    def __init__(self) -> None:
        self.session = ort.InferenceSession(MODEL, so, providers=["CPUExecutionProvider"])

    @bentoml.api(
        route="/predict", input_spec=Input, output_spec=Output,
        batchable=True, batch_dim=(0, 0),
        max_batch_size=int(os.environ.get("PEER_BATCH", "32")),
        max_latency_ms=int(os.environ.get("PEER_LATENCY_MS", "60000")),
    )
    def predict(self, batch: np.ndarray) -> np.ndarray:
        return self.session.run([OUT], {IN: batch})[0]
