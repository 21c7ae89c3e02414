import os
import numpy as np
import onnxruntime as ort
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri


class OnnxModel(MLModel):
    async def load(self) -> bool:
        so = ort.SessionOptions()
        so.intra_op_num_threads = int(os.environ.get("ORT_THREADS", "1"))
        so.inter_op_num_threads = 1
        uri = await get_model_uri(self._settings)
        self._session = ort.InferenceSession(uri, so, providers=["CPUExecutionProvider"])
        self._in, self._out = self._session.get_inputs()[0], self._session.get_outputs()[0].name
        self._dtype = np.int64 if self._in.type == "tensor(int64)" else np.float32
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        batch = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        batch = batch.reshape(payload.inputs[0].shape).astype(self._dtype, copy=False)
        if batch.ndim != 2 or batch.shape[1] != self._in.shape[1]:
            raise InferenceError(f"{self._in.name} must be [batch, {self._in.shape[1]}]")
        (out,) = self._session.run([self._out], {self._in.name: batch})
        return InferenceResponse(
            model_name=self.name, model_version=self.version,
            outputs=[NumpyCodec.encode_output(self._out, out)],
        )
