import os
import numpy as np
import onnxruntime as ort
from fastapi import FastAPI, HTTPException
from fastapi.responses import Response
from pydantic import create_model

so = ort.SessionOptions()
so.intra_op_num_threads = int(os.environ.get("ORT_THREADS", "1"))
so.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL_PATH"], so, providers=["CPUExecutionProvider"])
INPUT, OUTPUT = session.get_inputs()[0], session.get_outputs()[0].name
INT = INPUT.type == "tensor(int64)"
DTYPE = np.int64 if INT else np.float32

Request = create_model("Request", **{INPUT.name: (list[list[int]] if INT else list[list[float]], ...)})
Answer = create_model("Answer", **{OUTPUT: (list[list[float]], ...)})
app = FastAPI()


@app.get("/health")
def health():
    return {"status": "ok"}


def infer(body) -> np.ndarray:
    try:
        batch = np.asarray(getattr(body, INPUT.name), dtype=DTYPE)
        if batch.ndim != 2 or batch.shape[1] != INPUT.shape[1]:
            raise ValueError(f"{INPUT.name} must be [batch, {INPUT.shape[1]}]")
    except ValueError as e:
        raise HTTPException(422, str(e))
    return session.run([OUTPUT], {INPUT.name: batch})[0]


STYLE = os.environ.get("PEER_STYLE", "async")
if STYLE == "def":            # FastAPI's advice for blocking code: plain def, run in the thread pool
    @app.post("/predict")
    def predict(body: Request) -> Answer:
        return {OUTPUT: infer(body).tolist()}
elif STYLE == "async":        # the same on the event loop: no thread hand-over, the loop waits for the model
    @app.post("/predict")
    async def predict(body: Request) -> Answer:
        return {OUTPUT: infer(body).tolist()}
elif STYLE in ("async-orjson", "def-orjson"):  # a Response of one's own, serialised by orjson straight from numpy
    import orjson

    def answer(body):
        return Response(orjson.dumps({OUTPUT: infer(body)}, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")

    if STYLE == "def-orjson":
        @app.post("/predict")
        def predict(body: Request) -> Response:
            return answer(body)
    else:
        @app.post("/predict")
        async def predict(body: Request) -> Response:
            return answer(body)
