"""KServe's REST client: V1 and V2."""

import json
from typing import Any

import httpx
import numpy as np
import pandas as pd
from clients import Calls, ask, check, equal
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceRESTClient, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from kserve.utils.inference_client_factory import InferenceClientFactory

PACKAGES = ['kserve', 'httpx', 'numpy', 'pandas']
calls = Calls()

X = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.float32)
Y = np.array([[7, 14], [19, 30]], dtype=np.float32)
WRITTEN = {
    'BOOL': np.array([[True, False]]),
    **{f'UINT{bits}': np.array([[0, 2**bits - 1]], dtype=f'uint{bits}') for bits in (8, 16, 32, 64)},
    **{f'INT{bits}': np.array([[-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]], dtype=f'int{bits}') for bits in (8, 16, 32, 64)},
    'FP32': np.array([[0.1, -3.4e38]], dtype=np.float32),
    'FP64': np.array([[0.1, -1.7e308]], dtype=np.float64),
    'BYTES': np.array([['ä 😀', '']], dtype=np.object_),
}
HALF = np.array([[0.1, -65504]], dtype=np.float16)
BINARY = {'binary_data_output': True}


def tensor(name: str, array: np.ndarray, datatype: str, binary: bool) -> InferInput:
    given = InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def same(response: Any, name: str, wanted: np.ndarray) -> None:
    came = response.get_output_by_name(name).as_numpy()
    check(came.dtype == wanted.dtype and np.array_equal(came, wanted, equal_nan=wanted.dtype.kind == 'f'), came)


class Asked:
    """The clients of both protocols, and where the server is."""

    def __init__(self, url: str) -> None:
        self.url = f'http://{url}'
        self.v1 = InferenceRESTClient(RESTConfig(protocol='v1', timeout=20))
        self.v2 = InferenceRESTClient(RESTConfig(protocol='v2', timeout=20))

    async def predict(self, model: str, data: dict) -> dict:
        return await self.v1.infer(self.url, data, model_name=model)

    async def infer(self, model: str, inputs: list[InferInput], **options: Any) -> Any:
        return await self.v2.infer(self.url, InferRequest(model, inputs, **options), model_name=model)


# Health.


@calls.works('is_server_live, v1 and v2')
async def _(asked):
    equal(await asked.v1.is_server_live(asked.url), True)
    equal(await asked.v2.is_server_live(asked.url), True)


@calls.works('is_server_ready, v2')
async def _(asked):
    equal(await asked.v2.is_server_ready(asked.url, headers={'x-test': '1'}, timeout=5), True)


@calls.stopped('is_server_ready, v1', 'V1 has none', 'protocol')
async def _(asked):
    await asked.v1.is_server_ready(asked.url)


@calls.works('is_model_ready, v1 and v2')
async def _(asked):
    equal(await asked.v1.is_model_ready(asked.url, 'linear'), True)
    equal(await asked.v2.is_model_ready(asked.url, 'linear'), True)


@calls.works('is_model_ready of an unknown model, v2', 'False')
async def _(asked):
    equal(await asked.v2.is_model_ready(asked.url, 'nothing'), False)


@calls.refused('is_model_ready of an unknown model, v1', 'as KServe answers it', 404, 'not served')
async def _(asked):
    await asked.v1.is_model_ready(asked.url, 'nothing')


# V1.


@calls.works('infer, v1: instances')
async def _(asked):
    equal(await asked.predict('linear', {'instances': X.tolist()}), {'predictions': Y.tolist()})


@calls.works('infer, v1: inputs, the whole tensor')
async def _(asked):
    equal(await asked.predict('linear', {'inputs': X.tolist()}), {'outputs': Y.tolist()})


@calls.works('infer, v1: instances of two inputs by name')
async def _(asked):
    came = await asked.predict('pair', {'instances': [{'a': [1, 2], 'b': [10, 20]}]})
    equal(came, {'predictions': [{'sum': [11, 22], 'difference': [-9, -18]}]})


FRAME = pd.DataFrame({'age': [30.5, 40], 'name': ['ä', 'b']})


@calls.works("infer, v1: pandas, instances of to_dict('records')", 'a scalar is a row of a column')
async def _(asked):
    came = await asked.predict('columns', {'instances': FRAME.to_dict('records')})
    equal(came, {'predictions': [{'doubled': [61], 'same': ['ä']}, {'doubled': [80], 'same': ['b']}]})


@calls.works("infer, v1: pandas, inputs of to_dict('list')")
async def _(asked):
    came = await asked.predict('columns', {'inputs': FRAME.to_dict('list')})
    equal(came, {'outputs': {'doubled': [[61], [80]], 'same': [['ä'], ['b']]}})


@calls.works('infer, v1: pandas, instances of to_numpy()')
async def _(asked):
    frame = pd.DataFrame(X, columns=list('abcd'))
    equal(await asked.predict('linear', {'instances': frame.to_numpy().tolist()}), {'predictions': Y.tolist()})


@calls.refused('infer, v1: pandas, instances of [to_dict()]', "a form of KServe's scikit-learn server alone", 400, 'age')
async def _(asked):
    await asked.predict('columns', {'instances': [json.loads(FRAME.to_json())]})


@calls.works('infer, v1: FP16, BYTES')
async def _(asked):
    equal((await asked.predict('same_fp16', {'instances': [[0.5, -65504]]}))['predictions'], [[0.5, -65504]])
    equal((await asked.predict('same_bytes', {'instances': [['ä', '']]}))['predictions'], [['ä', '']])


@calls.works('infer, v1: NaN and infinities out', 'as "NaN", "Infinity" and "-Infinity", which numpy reads')
async def _(asked):
    rows = [{'a': 0, 'b': 0}, {'a': 1, 'b': 0}, {'a': -1, 'b': 0}, {'a': 3, 'b': 2}]
    came = np.array((await asked.predict('ratio', {'instances': rows}))['predictions'], dtype=np.float32)
    check(np.array_equal(came, RATIO, equal_nan=True), came)


@calls.works('infer, v1: NaN in', 'sent as null')
async def _(asked):
    came = np.array((await asked.predict('same_fp32', {'instances': [[float('nan'), 1.5]]}))['predictions'], dtype=np.float32)
    check(np.array_equal(came, np.array([[np.nan, 1.5]], dtype=np.float32), equal_nan=True), came)


@calls.refused('infer, v1: unknown model', 'there is none', 404, 'not served')
async def _(asked):
    await asked.predict('nothing', {'instances': [[1]]})


@calls.refused('infer, v1: wrong shape', 'the model takes 4 columns', 400, 'shape')
async def _(asked):
    await asked.predict('linear', {'instances': [[1, 2]]})


@calls.refused('explain, v1', 'models are not explained', 404, 'not offered')
async def _(asked):
    await asked.v1.explain(asked.url, 'linear', {'instances': X.tolist()})


@calls.stopped('explain, v2', 'V2 has none', 'protocol')
async def _(asked):
    await asked.v2.explain(asked.url, 'linear', {})


# V2.


@calls.works('infer, v2: InferInput of lists, JSON both ways')
async def _(asked):
    response = await asked.infer('linear', [InferInput('x', [2, 4], 'FP32', data=X.ravel().tolist())])
    same(response, 'y', Y)
    equal(response.model_name, 'linear')
    equal(response.outputs[0].data, [7, 14, 19, 30])


@calls.works('infer, v2: InferInput of nested lists')
async def _(asked):
    same(await asked.infer('linear', [InferInput('x', [2, 4], 'FP32', data=X.tolist())]), 'y', Y)


@calls.works('infer, v2: InferInput of a numpy array', 'sent as JSON')
async def _(asked):
    same(await asked.infer('linear', [InferInput('x', [2, 4], 'FP32', data=X)]), 'y', Y)


@calls.works('infer, v2: set_data_from_numpy(binary_data=False)')
async def _(asked):
    same(await asked.infer('linear', [tensor('x', X, 'FP32', False)]), 'y', Y)


@calls.works('infer, v2: set_data_from_numpy, binary in and JSON out')
async def _(asked):
    same(await asked.infer('linear', [tensor('x', X, 'FP32', True)]), 'y', Y)


@calls.works('infer, v2: binary both ways by parameters.binary_data_output')
async def _(asked):
    heard = {}
    given = InferRequest('linear', [tensor('x', X, 'FP32', True)], parameters=dict(BINARY))
    same(await asked.v2.infer(asked.url, given, model_name='linear', response_headers=heard), 'y', Y)
    check('inference-header-content-length' in heard, heard)


@calls.works('infer, v2: RequestedOutput(binary_data), one of each')
async def _(asked):
    a, b = X[:, :2], X[:, 2:]
    wanted = [RequestedOutput('sum', {'binary_data': True}), RequestedOutput('difference', {'binary_data': False})]
    given = [tensor('a', a, 'FP32', True), tensor('b', b, 'FP32', False)]
    response = await asked.infer('pair', given, request_outputs=wanted)
    same(response, 'sum', a + b)
    same(response, 'difference', a - b)


@calls.works('infer, v2: one output of two')
async def _(asked):
    given = [tensor('a', X[:, :2], 'FP32', False), tensor('b', X[:, 2:], 'FP32', False)]
    response = await asked.infer('pair', given, request_outputs=[RequestedOutput('sum')])
    equal([output.name for output in response.outputs], ['sum'])


@calls.works('infer, v2: datatypes but FP16, JSON both ways')
async def _(asked):
    for datatype, array in WRITTEN.items():
        response = await asked.infer(f'same_{datatype.lower()}', [tensor('x', array, datatype, False)])
        check(np.array_equal(response.outputs[0].as_numpy(), array), (datatype, response))


@calls.works('infer, v2: all 13 datatypes, binary both ways')
async def _(asked):
    for datatype, array in {**WRITTEN, 'FP16': HALF}.items():
        given = [tensor('x', array, datatype, True)]
        response = await asked.infer(f'same_{datatype.lower()}', given, parameters=dict(BINARY))
        check(np.array_equal(response.outputs[0].as_numpy(), array), (datatype, response))


@calls.works('infer, v2: FP16, binary in and JSON out')
async def _(asked):
    same(await asked.infer('same_fp16', [tensor('x', HALF, 'FP16', True)]), 'y', HALF)


@calls.stopped('infer, v2: FP16, JSON in', 'the client sends it in binary alone', 'FP16')
async def _(asked):
    await asked.infer('same_fp16', [tensor('x', HALF, 'FP16', False)])


@calls.works('infer, v2: BYTES of a list and of numpy arrays of str and bytes')
async def _(asked):
    for data in (['ä', 'b'], np.array([['ä'], ['b']], dtype=np.object_), np.array([['ä'.encode()], [b'b']])):
        response = await asked.infer('strings', [InferInput('x', [2, 1], 'BYTES', data=data)])
        equal(response.outputs[0].as_numpy().ravel().tolist(), ['ä', 'b'])


@calls.works('infer, v2: pandas, an InferInput a column')
async def _(asked):
    given = [
        InferInput('age', [2, 1], 'FP32', data=FRAME[['age']].to_numpy(dtype=np.float32)),
        InferInput('name', [2, 1], 'BYTES', data=FRAME[['name']].to_numpy(dtype=np.object_)),
    ]
    response = await asked.infer('columns', given, parameters={'content_type': 'pd'})
    frame = pd.DataFrame({output.name: output.as_numpy().ravel() for output in response.outputs})
    equal(frame.to_dict('list'), {'doubled': [61, 80], 'same': ['ä', 'b']})


RATIO = np.array([np.nan, np.inf, -np.inf, 1.5], dtype=np.float32)


@calls.works('infer, v2: NaN and infinities out, JSON', 'as "NaN", "Infinity" and "-Infinity", which as_numpy() reads')
async def _(asked):
    a, b = np.array([0, 1, -1, 3], dtype=np.float32), np.array([0, 0, 0, 2], dtype=np.float32)
    response = await asked.infer('ratio', [tensor('a', a, 'FP32', False), tensor('b', b, 'FP32', False)])
    same(response, 'y', RATIO)


@calls.works('infer, v2: NaN and infinities, binary both ways')
async def _(asked):
    given = [tensor('x', RATIO.reshape(1, 4), 'FP32', True)]
    same(await asked.infer('same_fp32', given, parameters=dict(BINARY)), 'y', RATIO.reshape(1, 4))


@calls.works('infer, v2: NaN in, JSON', 'sent as null')
async def _(asked):
    array = np.array([[np.nan, 1.5]], dtype=np.float32)
    same(await asked.infer('same_fp32', [tensor('x', array, 'FP32', False)]), 'y', array)


@calls.works('infer, v2: no rows')
async def _(asked):
    nothing = np.zeros((0, 4), dtype=np.float32)
    same(await asked.infer('linear', [tensor('x', nothing, 'FP32', False)]), 'y', np.zeros((0, 2), dtype=np.float32))


@calls.works('infer, v2: no rows, binary', 'sent as data: null, binary_data_size: 0')
async def _(asked):
    nothing = np.zeros((0, 4), dtype=np.float32)
    same(await asked.infer('linear', [tensor('x', nothing, 'FP32', True)]), 'y', np.zeros((0, 2), dtype=np.float32))


@calls.works('infer, v2: 50,000 rows, binary and JSON', 'httpx asks for packed answers, and unpacks them')
async def _(asked):
    many, wanted = np.ones((50_000, 4), dtype=np.float32), np.tile(np.array([3, 4], dtype=np.float32), (50_000, 1))
    for binary in (True, False):
        given = [tensor('x', many, 'FP32', binary)]
        same(await asked.infer('linear', given, parameters={'binary_data_output': binary}), 'y', wanted)


@calls.works('infer, v2: request_id', 'comes back; the client makes one where none is given')
async def _(asked):
    given = [tensor('x', X, 'FP32', False)]
    equal((await asked.infer('linear', given, request_id='my-id-1')).id, 'my-id-1')
    check((await asked.infer('linear', given)).id, 'no id')


@calls.works('infer, v2: a dict')
async def _(asked):
    given = {'inputs': [{'name': 'x', 'shape': [2, 4], 'datatype': 'FP32', 'data': X.tolist()}]}
    same(await asked.v2.infer(asked.url, given, model_name='linear'), 'y', Y)


@calls.works('infer, v2: parameters of inputs and of the request', 'ignored')
async def _(asked):
    given = InferInput('x', [2, 4], 'FP32', data=X, parameters={'content_type': 'np', 'mine': 3})
    same(await asked.infer('linear', [given], parameters={'mine': True, 'sequence_id': 3}), 'y', Y)


@calls.works('infer, v2: headers, timeout, is_graph_endpoint')
async def _(asked):
    given = {'inputs': [{'name': 'x', 'shape': [1, 4], 'datatype': 'FP32', 'data': [1, 2, 3, 4]}]}
    url = f'{asked.url}/v2/models/linear/infer'
    came = await asked.v2.infer(url, given, headers={'x-test': '1'}, timeout=5, is_graph_endpoint=True)
    equal(came['outputs'][0]['data'], [7, 14])


@calls.stopped('infer without a model_name', 'the client wants one', 'model_name')
async def _(asked):
    await asked.v2.infer(asked.url, {})


@calls.refused('infer, v2: unknown model', 'there is none', 404, 'not served')
async def _(asked):
    await asked.infer('nothing', [tensor('x', X, 'FP32', True)])


@calls.refused('infer, v2: wrong datatype', 'the model takes FP32', 400, 'FP32')
async def _(asked):
    await asked.infer('linear', [tensor('x', X.astype(np.float64), 'FP64', True)])


@calls.refused('infer, v2: wrong shape', 'the model takes 4 columns', 400, 'shape')
async def _(asked):
    await asked.infer('linear', [tensor('x', X[:, :3], 'FP32', False)])


@calls.works('RESTConfig(retries, verbose …), InferenceClientFactory, close')
async def _(asked):
    factory = InferenceClientFactory()
    client = factory.get_rest_client(RESTConfig(protocol='v2', retries=2, timeout=5, verify=False))
    equal(await client.is_server_live(asked.url), True)
    await factory.close()


def refusal(error: Exception) -> tuple[int, str]:
    if not isinstance(error, httpx.HTTPStatusError):
        return 0, f'{type(error).__name__}: {error}'
    # The client puts the server's message in front, and an empty one where it could not read it.
    return error.response.status_code, str(error).split(", '", 1)[0]


async def main(url: str, key: str) -> None:
    asked = Asked(url)
    await ask(calls, 'kserve', refusal, asked)
    await asked.v1.close()
    await asked.v2.close()
