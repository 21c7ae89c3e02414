"""MLServer's types and codecs as a client, sent with requests as its documentation does, and its command line."""

import datetime
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import requests
from clients import Calls, ask, check, equal
from mlserver import types
from mlserver.codecs import (
    Base64Codec,
    DatetimeCodec,
    NumpyCodec,
    NumpyRequestCodec,
    PandasCodec,
    StringCodec,
    StringRequestCodec,
)
from mlserver.types import InferenceRequest, InferenceResponse, RequestOutput

PACKAGES = ['mlserver', 'tritonclient', 'requests', 'numpy', 'pandas']
calls = Calls()

X = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.float32)
Y = np.array([[7, 14], [19, 30]], dtype=np.float32)
RATIO = np.array([np.nan, np.inf, -np.inf, 1.5], dtype=np.float32)


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Asked:
    """Sends as the documentation does: a request's dict as JSON, and the answer read as its type."""

    def __init__(self, url: str) -> None:
        self.host = url
        self.url = f'http://{url}'

    def post(self, path: str, **body: Any) -> requests.Response:
        return self.answered(requests.post(f'{self.url}{path}', timeout=20, **body))

    def get(self, path: str) -> requests.Response:
        return self.answered(requests.get(f'{self.url}{path}', timeout=20))

    def answered(self, response: requests.Response) -> requests.Response:
        if response.status_code != 200:
            raise Refused(response.status_code, types.InferenceErrorResponse.model_validate_json(response.text).error or '')
        return response

    def infer(self, model: str, request: InferenceRequest) -> InferenceResponse:
        response = self.post(f'/v2/models/{model}/infer', json=request.model_dump())
        return InferenceResponse.model_validate_json(response.text)


def same(came: np.ndarray, wanted: np.ndarray) -> None:
    check(came.dtype == wanted.dtype and np.array_equal(came, wanted, equal_nan=wanted.dtype.kind == 'f'), came)


def of(*inputs: types.RequestInput, **more: Any) -> InferenceRequest:
    return InferenceRequest(inputs=list(inputs), **more)


# What the types read.


@calls.works('MetadataServerResponse of GET /v2')
def _(asked):
    check(types.MetadataServerResponse.model_validate(asked.get('/v2').json()).extensions, 'none')


@calls.works('MetadataModelResponse of GET /v2/models/linear')
def _(asked):
    came = types.MetadataModelResponse.model_validate(asked.get('/v2/models/linear').json())
    equal((came.name, came.inputs[0].name, came.inputs[0].datatype, came.inputs[0].shape), ('linear', 'x', 'FP32', [-1, 4]))


@calls.works('RepositoryIndexRequest, RepositoryIndexResponse')
def _(asked):
    given = types.RepositoryIndexRequest(ready=True)
    came = types.RepositoryIndexResponse.model_validate(asked.post('/v2/repository/index', json=given.model_dump()).json())
    check('linear' in [item.name for item in came], came)
    equal({item.state for item in came}, {'READY'})


# Codecs of an input.


@calls.works('NumpyCodec')
def _(asked):
    response = asked.infer('linear', of(NumpyCodec.encode_input('x', X)))
    equal((response.model_name, response.model_version), ('linear', '1'))
    same(NumpyCodec.decode_output(response.outputs[0]), Y)


@calls.works('NumpyCodec, sent by .dict()', 'what is not set is sent as null')
def _(asked):
    response = asked.post('/v2/models/linear/infer', json=of(NumpyCodec.encode_input('x', X)).dict())
    same(NumpyCodec.decode_output(InferenceResponse.parse_raw(response.text).outputs[0]), Y)


@calls.works('NumpyCodec, sent by .model_dump_json()')
def _(asked):
    body = of(NumpyCodec.encode_input('x', X)).model_dump_json()
    response = asked.post('/v2/models/linear/infer', data=body, headers={'Content-Type': 'application/json'})
    same(NumpyCodec.decode_output(InferenceResponse.model_validate_json(response.text).outputs[0]), Y)


@calls.works('NumpyCodec: two inputs, two outputs')
def _(asked):
    a, b = X[:, :2], X[:, 2:]
    response = asked.infer('pair', of(NumpyCodec.encode_input('a', a), NumpyCodec.encode_input('b', b)))
    for output, wanted in zip(response.outputs, (a + b, a - b)):
        same(NumpyCodec.decode_output(output), wanted)


@calls.works('NumpyCodec: numbers of every datatype')
def _(asked):
    kinds = [f'{sign}int{bits}' for sign in ('u', '') for bits in (8, 16, 32, 64)]
    extremes = {kind: [[np.iinfo(kind).min, np.iinfo(kind).max]] for kind in kinds}
    floats = {f'float{bits}': [[0.1, np.finfo(f'float{bits}').max]] for bits in (16, 32, 64)}
    for kind, values in {**extremes, **floats, 'bool': [[True, False]]}.items():
        array = np.array(values, dtype=kind)
        given = NumpyCodec.encode_input('x', array)
        came = NumpyCodec.decode_output(asked.infer(f'same_{given.datatype.lower()}', of(given)).outputs[0])
        same(came, array)


@calls.works('NumpyCodec: an array of str')
def _(asked):
    array = np.array([['ä 😀'], ['b']])
    given = NumpyCodec.encode_input('x', array)
    # The codec gives the bytes of the strings, which JSON can't hold; pydantic writes them as text.
    response = asked.post('/v2/models/strings/infer', data=of(given).model_dump_json())
    came = NumpyCodec.decode_output(InferenceResponse.model_validate_json(response.text).outputs[0])
    equal(came.tolist(), array.tolist())


@calls.refused('NumpyCodec: one dimension, of a model with one', 'the codec sends it as a column: [3, 1] for [3]', 400, 'shape')
def _(asked):
    asked.infer('plus', of(NumpyCodec.encode_input('x', np.array([1, 2, 3]))))


@calls.works('NumpyCodec: NaN and infinities out', 'as "NaN", "Infinity" and "-Infinity", which decode_output reads')
def _(asked):
    # By hand, because the codec would make a column of each.
    given = [
        types.RequestInput(name=name, shape=[4], datatype='FP32', data=data)
        for name, data in (('a', [0, 1, -1, 3]), ('b', [0, 0, 0, 2]))
    ]
    same(NumpyCodec.decode_output(asked.infer('ratio', of(*given)).outputs[0]), RATIO)


@calls.works('NumpyCodec: NaN in', 'sent as null')
def _(asked):
    array = np.array([[np.nan, 1.5]], dtype=np.float32)
    same(NumpyCodec.decode_output(asked.infer('same_fp32', of(NumpyCodec.encode_input('x', array))).outputs[0]), array)


@calls.stopped('NumpyCodec: infinities in', 'requests writes no such JSON', 'JSON compliant')
def _(asked):
    asked.infer('same_fp32', of(NumpyCodec.encode_input('x', np.array([[np.inf]], dtype=np.float32))))


@calls.works('StringCodec(use_bytes=False)')
def _(asked):
    texts = ['ä 😀', '', 'b']
    response = asked.infer('strings', of(StringCodec.encode_input('x', texts, use_bytes=False)))
    equal(StringCodec.decode_output(response.outputs[0]), texts)


@calls.works('StringCodec, sent by .model_dump_json()')
def _(asked):
    body = of(StringCodec.encode_input('x', ['ä', 'b'])).model_dump_json()
    response = asked.post('/v2/models/strings/infer', data=body)
    equal(StringCodec.decode_output(InferenceResponse.model_validate_json(response.text).outputs[0]), ['ä', 'b'])


@calls.works('Base64Codec(use_bytes=False)', 'the model is given the text of the base64, which is not decoded')
def _(asked):
    given = Base64Codec.encode_input('x', [b'Python is fun', b'\xff'], use_bytes=False)
    equal(Base64Codec.decode_output(asked.infer('strings', of(given)).outputs[0]), [b'Python is fun', b'\xff'])


@calls.works('DatetimeCodec(use_bytes=False)')
def _(asked):
    times = [datetime.datetime(2022, 1, 11, 11, 0, 0)]
    given = DatetimeCodec.encode_input('x', times, use_bytes=False)
    equal(DatetimeCodec.decode_output(asked.infer('strings', of(given)).outputs[0]), times)


# Codecs of a request.


@calls.refused('NumpyRequestCodec', 'the codec names the input input-1, and the model x', 400, 'no input input-1')
def _(asked):
    asked.infer('linear', NumpyRequestCodec.encode_request(X))


@calls.works('NumpyRequestCodec, the input named afterwards')
def _(asked):
    given = NumpyRequestCodec.encode_request(X)
    given.inputs[0].name = 'x'
    same(NumpyRequestCodec.decode_response(asked.infer('linear', given)), Y)


@calls.works('NumpyRequestCodec, of a model whose input is input-1')
def _(asked):
    same(NumpyRequestCodec.decode_response(asked.infer('input_1', NumpyRequestCodec.encode_request(X))), Y)


@calls.works('StringRequestCodec(use_bytes=False), the input named afterwards')
def _(asked):
    given = StringRequestCodec.encode_request(['ä', 'b'], use_bytes=False)
    given.inputs[0].name = 'x'
    equal(StringRequestCodec.decode_response(asked.infer('strings', given)), ['ä', 'b'])


# Of object, because MLServer 1.7.1 does not know the strings of pandas 3.
FRAME = pd.DataFrame({'age': np.array([30.5, 40], dtype=np.float32), 'name': pd.Series(['ä', 'b'], dtype=object)})


def framed(response: InferenceResponse) -> None:
    equal(PandasCodec.decode_response(response).to_dict('list'), {'doubled': [61, 80], 'same': ['ä', 'b']})


@calls.works('PandasCodec(use_bytes=False)', 'a column an input, of shape [rows, 1]')
def _(asked):
    framed(asked.infer('columns', PandasCodec.encode_request(FRAME, use_bytes=False)))


@calls.works('PandasCodec, sent by .model_dump_json()')
def _(asked):
    response = asked.post('/v2/models/columns/infer', data=PandasCodec.encode_request(FRAME).model_dump_json())
    framed(InferenceResponse.model_validate_json(response.text))


@calls.works('PandasCodec: NaN in', 'sent as null')
def _(asked):
    frame = FRAME.assign(age=np.array([np.nan, 40], dtype=np.float32))
    came = PandasCodec.decode_response(asked.infer('columns', PandasCodec.encode_request(frame, use_bytes=False)))
    check(np.isnan(came['doubled'][0]) and came['doubled'][1] == 80, came.to_dict('list'))


# The rest of a request.


@calls.works('InferenceRequest(id, parameters, outputs)', 'the id comes back; content_type and headers are ignored')
def _(asked):
    given = of(
        *(NumpyCodec.encode_input(name, X[:, :2]) for name in 'ab'),
        id='my-id-1',
        parameters=types.Parameters(content_type='np', headers={'x-test': '1'}, mine=3),
        outputs=[RequestOutput(name='sum', parameters=types.Parameters(content_type='np'))],
    )
    response = asked.infer('pair', given)
    equal((response.id, [output.name for output in response.outputs]), ('my-id-1', ['sum']))


@calls.works('InferenceRequest, packed with gzip', 'as its server takes it')
def _(asked):
    body = gzip.compress(of(NumpyCodec.encode_input('x', X)).model_dump_json().encode())
    response = asked.post('/v2/models/linear/infer', data=body, headers={'Content-Encoding': 'gzip'})
    same(NumpyCodec.decode_output(InferenceResponse.model_validate_json(response.text).outputs[0]), Y)


@calls.works('InferenceResponse of 50,000 rows', 'requests asks for packed answers, and unpacks them')
def _(asked):
    response = asked.infer('linear', of(NumpyCodec.encode_input('x', np.ones((50_000, 4), dtype=np.float32))))
    same(NumpyCodec.decode_output(response.outputs[0]), np.tile(np.array([3, 4], dtype=np.float32), (50_000, 1)))


@calls.refused('InferenceErrorResponse: unknown model', 'there is none', 404, 'not served')
def _(asked):
    asked.infer('nothing', of(NumpyCodec.encode_input('x', X)))


@calls.refused('InferenceErrorResponse: wrong shape', 'the model takes 4 columns', 400, 'shape')
def _(asked):
    asked.infer('linear', of(NumpyCodec.encode_input('x', X[:, :3])))


# The command line: `mlserver infer`, which sends by tritonclient.


def inferred(asked: Asked, model: str, inputs: list[types.RequestInput], *options: str) -> list[InferenceResponse]:
    """Of a file with a request a line, a response each in their order."""
    with tempfile.TemporaryDirectory() as folder:
        given, came = Path(folder, 'in.txt'), Path(folder, 'out.txt')
        given.write_text('\n'.join(of(one, id=str(at)).model_dump_json() for at, one in enumerate(inputs)))
        command = [str(Path(sys.executable).parent / 'mlserver'), 'infer', '-u', asked.host, '-m', model]
        command += ['-i', str(given), '-o', str(came), '-w', '2', '-r', '1', '--timeout', '20', *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        lines = [json.loads(line) for line in came.read_text().splitlines()] if came.exists() else []
        check(done.returncode == 0 and lines, done.stderr[-500:])
        for line in lines:
            check('error' not in line, line)
    return sorted((InferenceResponse.model_validate(line) for line in lines), key=lambda one: one.parameters.batch_index)


def lined(asked: Asked, *options: str) -> None:
    inputs = [NumpyCodec.encode_input('x', X + at) for at in range(5)]
    for at, response in enumerate(inferred(asked, 'linear', inputs, *options)):
        equal(response.id, str(at))
        same(NumpyCodec.decode_output(response.outputs[0]), Y + np.array([3, 4], dtype=np.float32) * at)


@calls.works('mlserver infer')
def _(asked):
    lined(asked)


@calls.works('mlserver infer --batch-size 2')
def _(asked):
    lined(asked, '--batch-size', '2')


@calls.works('mlserver infer --binary-data', 'its Content-Type is application/json all the same')
def _(asked):
    lined(asked, '--binary-data', '-H', 'x-test: 1')


@calls.works('mlserver infer of strings')
def _(asked):
    [response] = inferred(asked, 'strings', [StringCodec.encode_input('x', ['ä', 'b'], use_bytes=False)])
    equal(StringCodec.decode_output(response.outputs[0]), ['ä', 'b'])


def refusal(error: Exception) -> tuple[int, str]:
    return (error.status, str(error)) if isinstance(error, Refused) else (0, f'{type(error).__name__}: {error}')


async def main(url: str, key: str) -> None:
    await ask(calls, 'mlserver', refusal, Asked(url))
