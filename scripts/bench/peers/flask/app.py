import os
import numpy as np
import onnxruntime as ort
from flask import Flask, jsonify, request

so = ort.SessionOptions()
so.intra_op_num_threads = int(os.environ.get("ORT_THREADS", "1"))
so.inter_op_num_threads = 1
# No gunicorn --preload: each worker process loads its own session after the fork.
session = ort.InferenceSession(os.environ["MODEL_PATH"], so, providers=["CPUExecutionProvider"])
INPUT, OUTPUT = session.get_inputs()[0], session.get_outputs()[0].name
DTYPE = np.int64 if INPUT.type == "tensor(int64)" else np.float32

app = Flask(__name__)
if os.environ.get("PEER_JSON", "orjson") == "orjson":   # Flask's documented hook for another JSON library
    import orjson
    from flask.json.provider import JSONProvider

    class OrjsonProvider(JSONProvider):
        def dumps(self, obj, **kw):
            return orjson.dumps(obj).decode()

        def loads(self, s, **kw):
            return orjson.loads(s)

        def response(self, *args, **kw):
            obj = self._prepare_response_obj(args, kw)
            return self._app.response_class(orjson.dumps(obj), mimetype="application/json")

    app.json = OrjsonProvider(app)


@app.get("/health")
def health():
    return jsonify(status="ok")


@app.post("/predict")
def predict():
    try:
        batch = np.asarray(request.get_json()[INPUT.name], dtype=DTYPE)
        if batch.ndim != 2 or batch.shape[1] != INPUT.shape[1]:
            raise ValueError(f"{INPUT.name} must be [batch, {INPUT.shape[1]}]")
    except (KeyError, TypeError, ValueError) as e:
        return jsonify(error=str(e)), 400
    (out,) = session.run([OUTPUT], {INPUT.name: batch})
    return jsonify({OUTPUT: out.tolist()})
