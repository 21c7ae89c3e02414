"""tritonclient over HTTP: each call is asked of the blocking client and of the one for asyncio."""

import asyncio
import inspect
import json
import urllib.request
from functools import partial
from typing import Any

import numpy as np
import tritonclient.http as blocking
import tritonclient.http.aio as aio
from clients import Calls, ask, check, equal, settled
from tritonclient.http import InferenceServerClientPlugin, InferInput, InferRequestedOutput

PACKAGES = ['tritonclient', 'numpy']
calls = Calls()

X = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.float32)
Y = np.array([[7, 14], [19, 30]], dtype=np.float32)
WRITTEN = {
    'BOOL': np.array([[True, False]]),
    **{f'UINT{bits}': np.array([[0, 2**bits - 1]], dtype=f'uint{bits}') for bits in (8, 16, 32, 64)},
    **{f'INT{bits}': np.array([[-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]], dtype=f'int{bits}') for bits in (8, 16, 32, 64)},
    'FP16': np.array([[0.1, -65504]], dtype=np.float16),
    'FP32': np.array([[0.1, -3.4e38]], dtype=np.float32),
    'FP64': np.array([[0.1, -1.7e308]], dtype=np.float64),
    'BYTES': np.array([['ä 😀'.encode(), b'']], dtype=np.object_),
}


def tensor(name: str, array: np.ndarray, datatype: str = '', binary: bool = True) -> InferInput:
    given = InferInput(name, list(array.shape), datatype or blocking.np_to_triton_dtype(array.dtype))
    return given.set_data_from_numpy(array, binary_data=binary)


def same(result: Any, name: str, wanted: np.ndarray) -> None:
    came = result.as_numpy(name)
    equal_nan = wanted.dtype.kind == 'f'
    check(came.dtype == wanted.dtype and np.array_equal(came, wanted, equal_nan=equal_nan), came)


async def linear(client: Any, binary: bool = True, **options: Any) -> Any:
    result = await settled(client.infer('linear', [tensor('x', X, binary=binary)], **options))
    same(result, 'y', Y)
    return result


# Health and what is served.


@calls.works('is_server_live')
async def _(client):
    equal(await settled(client.is_server_live()), True)


@calls.works('is_server_live(query_params, headers)')
async def _(client):
    query = {'test_1': 1, 'test_2': ['a b', 'c']}
    equal(await settled(client.is_server_live(query_params=query, headers={'x-test': '1'})), True)


@calls.works('is_server_ready')
async def _(client):
    equal(await settled(client.is_server_ready()), True)


@calls.works('is_model_ready')
async def _(client):
    equal(await settled(client.is_model_ready('linear')), True)
    equal(await settled(client.is_model_ready('plus', '2')), True)


@calls.works('is_model_ready of an unknown model or version', 'False')
async def _(client):
    equal(await settled(client.is_model_ready('nothing')), False)
    equal(await settled(client.is_model_ready('linear', '7')), False)


@calls.works('get_server_metadata')
async def _(client):
    came = await settled(client.get_server_metadata())
    check(came['name'] and came['version'] and 'binary_tensor_data' in came['extensions'], came)


@calls.works('get_model_metadata')
async def _(client):
    came = await settled(client.get_model_metadata('linear', query_params={'test_1': 1}))
    equal((came['name'], came['versions']), ('linear', ['1']))
    equal([came[side][0][key] for side in ('inputs', 'outputs') for key in ('name', 'datatype')], ['x', 'FP32', 'y', 'FP32'])
    equal((came['inputs'][0]['shape'], came['outputs'][0]['shape']), ([-1, 4], [-1, 2]))


@calls.works('get_model_metadata(model_version)')
async def _(client):
    equal((await settled(client.get_model_metadata('plus', '1')))['name'], 'plus')


@calls.refused('get_model_metadata of an unknown model', 'there is none', 404, 'not served')
async def _(client):
    await settled(client.get_model_metadata('nothing'))


@calls.works('get_model_config')
async def _(client):
    """As Triton's own image client reads it: with the batch's dimension in front, the shapes are those of the metadata."""
    config = await settled(client.get_model_config('linear'))
    metadata = await settled(client.get_model_metadata('linear'))
    equal((config['name'], config['input'][0]['name'], config['output'][0]['name']), ('linear', 'x', 'y'))
    equal((config['input'][0]['data_type'], config['output'][0]['data_type']), ('TYPE_FP32', 'TYPE_FP32'))
    batch = [-1] if config['max_batch_size'] > 0 else []
    for of, among in (('input', 'inputs'), ('output', 'outputs')):
        equal(batch + config[of][0]['dims'], metadata[among][0]['shape'])


@calls.works('get_model_config of strings', 'TYPE_STRING')
async def _(client):
    equal((await settled(client.get_model_config('strings')))['input'][0]['data_type'], 'TYPE_STRING')


@calls.works('get_model_config(model_version)')
async def _(client):
    equal((await settled(client.get_model_config('plus', '1')))['name'], 'plus')


@calls.refused('get_model_config of an unknown model', 'there is none', 404, 'not served')
async def _(client):
    await settled(client.get_model_config('nothing'))


async def counted(client: Any) -> tuple[int, int, int]:
    [of] = (await settled(client.get_inference_statistics('linear')))['model_stats']
    return of['inference_count'], of['execution_count'], of['inference_stats']['success']['count']


@calls.works('get_inference_statistics(model_name)', 'a request of 2 rows counts as 2 inferences')
async def _(client):
    before = await counted(client)
    await linear(client)
    after = await counted(client)
    equal(tuple(new - old for new, old in zip(after, before)), (2, 1, 1))
    [of] = (await settled(client.get_inference_statistics('linear')))['model_stats']
    equal((of['name'], of['version'], of['last_inference'] > 1_600_000_000_000), ('linear', '1', True))
    parts = ('success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output')
    for part in parts:
        check(of['inference_stats'][part].keys() >= {'count', 'ns'}, of)
    check(of['inference_stats']['success']['ns'] > 0 and isinstance(of['batch_stats'], list), of)


@calls.works('get_inference_statistics(model_name, model_version)')
async def _(client):
    [of] = (await settled(client.get_inference_statistics('plus', '1')))['model_stats']
    equal((of['name'], of['version']), ('plus', '1'))


@calls.works('get_inference_statistics of a model with two versions', 'an entry a version')
async def _(client):
    came = (await settled(client.get_inference_statistics('plus')))['model_stats']
    equal(sorted(of['version'] for of in came), ['1', '2'])


@calls.works('get_inference_statistics of all models')
async def _(client):
    came = (await settled(client.get_inference_statistics()))['model_stats']
    check({'linear', 'plus', 'pair'} <= {of['name'] for of in came}, came)


@calls.refused('get_inference_statistics of an unknown model', 'there is none', 404, 'not served')
async def _(client):
    await settled(client.get_inference_statistics('nothing'))


@calls.works('get_model_repository_index')
async def _(client):
    came = await settled(client.get_model_repository_index())
    [of] = [of for of in came if of['name'] == 'linear']
    equal((of['version'], of['state'], of['reason']), ('1', 'READY', ''))


# Loading and unloading.


@calls.refused('load_model without the key', 'who changes what is served shows REPOSITORY_KEY', 401, 'need the key')
async def _(client):
    await settled(client.load_model('churn'))


@calls.works('load_model(headers)')
async def _(client, key):
    await settled(client.load_model('churn', headers=key()))
    equal(await settled(client.is_model_ready('churn')), True)


@calls.works('unload_model, load_model again')
async def _(client, key):
    await settled(client.unload_model('churn', headers=key()))
    equal(await settled(client.is_model_ready('churn')), False)
    states = [of['state'] for of in await settled(client.get_model_repository_index()) if of['name'] == 'churn']
    check('READY' not in states, states)
    await settled(client.load_model('churn', headers=key()))
    equal(await settled(client.is_model_ready('churn')), True)


@calls.works('unload_model(unload_dependents=True)', 'ignored: no model depends on another')
async def _(client, key):
    await settled(client.load_model('churn', headers=key()))
    await settled(client.unload_model('churn', headers=key(), unload_dependents=True))
    equal(await settled(client.is_model_ready('churn')), False)


@calls.refused('infer of an unloaded model', 'it is not served', 404, 'churn is not served')
async def _(client):
    await settled(client.infer('churn', [tensor('x', X)]))


@calls.works('register_plugin, plugin, unregister_plugin', 'one that sends the key')
async def _(client, key):
    class Bearer(InferenceServerClientPlugin):
        def __call__(self, request):
            request.headers.update(key())

    client.register_plugin(Bearer())
    try:
        check(isinstance(client.plugin(), Bearer), client.plugin())
        await settled(client.load_model('churn'))
    finally:
        client.unregister_plugin()
    equal(await settled(client.is_model_ready('churn')), True)


# "failed to load" is what Triton's own examples look for.
@calls.refused('load_model of an unknown model', 'there is none', 400, 'failed to load')
async def _(client, key):
    await settled(client.load_model('nothing', headers=key()))


@calls.refused('unload_model of an unknown model', 'there is none', 404, 'not served')
async def _(client, key):
    await settled(client.unload_model('nothing', headers=key()))


CONFIG = json.dumps({'max_batch_size': 16})
OVERRIDE = 'a model and how it is run come from the repository, never from a request'


@calls.refused('load_model(config)', OVERRIDE, 400, 'parameters.config')
async def _(client, key):
    await settled(client.load_model('churn', headers=key(), config=CONFIG))


@calls.refused('load_model(config, files)', OVERRIDE, 400, 'repository')
async def _(client, key):
    await settled(client.load_model('churn', headers=key(), config=CONFIG, files={'file:1/model.onnx': b'onnx'}))


@calls.refused('load_model(config, files) of 4 MB', OVERRIDE, 413, 'bytes')
async def _(client, key):
    await settled(client.load_model('churn', headers=key(), config=CONFIG, files={'file:1/model.onnx': bytes(4 << 20)}))


@calls.works('load_model after those that were refused', 'the connection goes on')
async def _(client, key):
    await settled(client.load_model('churn', headers=key()))
    same(await settled(client.infer('churn', [tensor('x', X)])), 'y', Y)


# Settings and memory of Triton's own.

SETTINGS = "Triton's own; here they are environment variables of the process"
SHARED = 'a client on another machine shares no memory; tensors come in the body'
own = {
    'get_trace_settings': (SETTINGS, lambda client: client.get_trace_settings()),
    'get_trace_settings(model_name)': (SETTINGS, lambda client: client.get_trace_settings('linear')),
    'update_trace_settings': (SETTINGS, lambda client: client.update_trace_settings(settings={'trace_rate': '1'})),
    'update_trace_settings(model_name)': (SETTINGS, lambda client: client.update_trace_settings('linear', {'trace_rate': '1'})),
    'get_log_settings': (SETTINGS, lambda client: client.get_log_settings()),
    'update_log_settings': (SETTINGS, lambda client: client.update_log_settings({'log_verbose_level': 1})),
    'get_system_shared_memory_status': (SHARED, lambda client: client.get_system_shared_memory_status()),
    'get_system_shared_memory_status(region_name)': (SHARED, lambda client: client.get_system_shared_memory_status('r')),
    'register_system_shared_memory': (SHARED, lambda client: client.register_system_shared_memory('r', '/r', 64)),
    'unregister_system_shared_memory': (SHARED, lambda client: client.unregister_system_shared_memory()),
    'unregister_system_shared_memory(name)': (SHARED, lambda client: client.unregister_system_shared_memory('r')),
    'get_cuda_shared_memory_status': (SHARED, lambda client: client.get_cuda_shared_memory_status()),
    'get_cuda_shared_memory_status(region_name)': (SHARED, lambda client: client.get_cuda_shared_memory_status('r')),
    'register_cuda_shared_memory': (SHARED, lambda client: client.register_cuda_shared_memory('r', b'handle', 0, 64)),
    'unregister_cuda_shared_memory': (SHARED, lambda client: client.unregister_cuda_shared_memory()),
    'unregister_cuda_shared_memory(name)': (SHARED, lambda client: client.unregister_cuda_shared_memory('r')),
}
for name, (why, run) in own.items():
    calls.refused(name, why, 404, 'nothing at')(run)


@calls.refused('infer: InferInput.set_shared_memory', SHARED, 400, 'shared memory')
async def _(client):
    given = InferInput('x', [2, 4], 'FP32').set_shared_memory('r', 32, offset=8)
    await settled(client.infer('linear', [given]))


@calls.refused('infer: InferRequestedOutput.set_shared_memory', SHARED, 400, 'shared memory')
async def _(client):
    wanted = InferRequestedOutput('y')
    wanted.set_shared_memory('r', 16)
    await settled(client.infer('linear', [tensor('x', X)], outputs=[wanted]))


@calls.works('infer: InferRequestedOutput.unset_shared_memory')
async def _(client):
    wanted = InferRequestedOutput('y')
    wanted.set_shared_memory('r', 16)
    wanted.unset_shared_memory()
    await linear(client, outputs=[wanted])


# Inference: how tensors travel.


@calls.works('infer: binary in, binary out (the default)')
async def _(client):
    result = await linear(client)
    equal((result.get_response()['model_name'], result.get_response()['model_version']), ('linear', '1'))
    equal(result.get_output('y')['parameters'], {'binary_data_size': 16})


@calls.works('infer: JSON in, JSON out')
async def _(client):
    result = await linear(client, binary=False, outputs=[InferRequestedOutput('y', binary_data=False)])
    equal(result.get_output('y')['data'], [7, 14, 19, 30])


@calls.works('infer: JSON in, binary out')
async def _(client):
    await linear(client, binary=False, outputs=[InferRequestedOutput('y')])


@calls.works('infer: binary in, JSON out')
async def _(client):
    await linear(client, outputs=[InferRequestedOutput('y', binary_data=False)])


A = np.array([[1, 2], [3, 4]], dtype=np.float32)
B = np.array([[10, 20], [30, 40]], dtype=np.float32)


@calls.works('infer: two inputs, two outputs, one binary and one JSON each')
async def _(client):
    wanted = [InferRequestedOutput('sum'), InferRequestedOutput('difference', binary_data=False)]
    result = await settled(client.infer('pair', [tensor('a', A, binary=False), tensor('b', B)], outputs=wanted))
    same(result, 'sum', A + B)
    same(result, 'difference', A - B)


@calls.works('infer: one output of two, inputs the other way round')
async def _(client):
    wanted = [InferRequestedOutput('difference')]
    result = await settled(client.infer('pair', [tensor('b', B), tensor('a', A)], outputs=wanted))
    same(result, 'difference', A - B)
    equal(result.as_numpy('sum') is None, True)


@calls.works('infer(model_version)')
async def _(client):
    given = [tensor('x', np.array([40, 2**60], dtype=np.int64))]
    for version, step in (('1', 1), ('2', 2), ('', 2)):
        result = await settled(client.infer('plus', given, model_version=version))
        same(result, 'y', np.array([40 + step, 2**60 + step], dtype=np.int64))


@calls.works('infer: all 13 datatypes, binary both ways')
async def _(client):
    for datatype, array in WRITTEN.items():
        result = await settled(client.infer(f'same_{datatype.lower()}', [tensor('x', array)]))
        same(result, 'y', array)


@calls.works('infer: all 13 datatypes, JSON both ways')
async def _(client):
    wanted = [InferRequestedOutput('y', binary_data=False)]
    for datatype, array in WRITTEN.items():
        result = await settled(client.infer(f'same_{datatype.lower()}', [tensor('x', array, binary=False)], outputs=wanted))
        came = result.as_numpy('y')
        # Strings come as strings, bytes as bytes.
        if datatype == 'BYTES':
            came = np.array([[text.encode() for text in row] for row in came], dtype=np.object_)
        check(np.array_equal(came, array), (datatype, came))


@calls.works('infer: BYTES from an array of str, of np.bytes_')
async def _(client):
    for array in (np.array([['ä'], ['b']], dtype=np.object_), np.array([[b'a'], [b'bc']])):
        result = await settled(client.infer('strings', [tensor('x', array, 'BYTES')]))
        equal([row[0] for row in result.as_numpy('y')], [text if isinstance(text, bytes) else text.encode() for text in array.ravel().tolist()])


@calls.refused('infer: BYTES that are not UTF-8', "ONNX's strings are text", 400, 'UTF-8')
async def _(client):
    await settled(client.infer('strings', [tensor('x', np.array([[b'\xff\xfe']], dtype=np.object_))]))


@calls.refused('infer: BF16', 'a datatype of Triton, not of the protocol', 400, 'datatype')
async def _(client):
    import ml_dtypes

    await settled(client.infer('linear', [tensor('x', X.astype(ml_dtypes.bfloat16))]))


NUMERATOR = np.array([0, 1, -1, 3], dtype=np.float32)
DENOMINATOR = np.array([0, 0, 0, 2], dtype=np.float32)
RATIO = np.array([np.nan, np.inf, -np.inf, 1.5], dtype=np.float32)


@calls.works('infer: NaN and infinities, binary out')
async def _(client):
    given = [tensor('a', NUMERATOR), tensor('b', DENOMINATOR)]
    same(await settled(client.infer('ratio', given)), 'y', RATIO)


@calls.works('infer: NaN and infinities, JSON out', 'as "NaN", "Infinity" and "-Infinity", which as_numpy() reads')
async def _(client):
    given = [tensor('a', NUMERATOR), tensor('b', DENOMINATOR)]
    result = await settled(client.infer('ratio', given, outputs=[InferRequestedOutput('y', binary_data=False)]))
    equal(result.get_output('y')['data'], ['NaN', 'Infinity', '-Infinity', 1.5])
    same(result, 'y', RATIO)


@calls.works('infer: NaN and infinities, binary in')
async def _(client):
    for datatype in ('float16', 'float32', 'float64'):
        array = RATIO.astype(datatype).reshape(1, 4)
        result = await settled(client.infer(f'same_fp{datatype[5:]}', [tensor('x', array)]))
        same(result, 'y', array)


@calls.works('infer: NaN and infinities, JSON in', 'sent as NaN, Infinity and -Infinity, which is no JSON but what Triton reads')
async def _(client):
    for datatype in ('float16', 'float32', 'float64'):
        array = RATIO.astype(datatype).reshape(1, 4)
        result = await settled(client.infer(f'same_fp{datatype[5:]}', [tensor('x', array, binary=False)]))
        same(result, 'y', array)


@calls.works('infer: no rows')
async def _(client):
    for binary in (True, False):
        wanted = [InferRequestedOutput('y', binary_data=binary)]
        given = [tensor('x', np.zeros((0, 4), dtype=np.float32), binary=binary)]
        result = await settled(client.infer('linear', given, outputs=wanted))
        same(result, 'y', np.zeros((0, 2), dtype=np.float32))


@calls.works('infer: InferInput.set_shape and new data in the same object')
async def _(client):
    given = tensor('x', X)
    same(await settled(client.infer('linear', [given])), 'y', Y)
    given.set_shape([1, 4]).set_data_from_numpy(X[:1])
    same(await settled(client.infer('linear', [given])), 'y', Y[:1])


MANY = np.ones((50_000, 4), dtype=np.float32)


@calls.works('infer: 50,000 rows, binary and JSON')
async def _(client):
    wanted = np.tile(np.array([3, 4], dtype=np.float32), (50_000, 1))
    for binary in (True, False):
        asked = [InferRequestedOutput('y', binary_data=binary)]
        result = await settled(client.infer('linear', [tensor('x', MANY, binary=binary)], outputs=asked))
        same(result, 'y', wanted)


# Inference: packed bodies.


async def coded(client: Any, packed: str | None, wanted: str | None) -> None:
    """A large request and its answer, of which this looks at the header too: the client reads an answer that is not packed as well."""
    heard = []
    post = client._post

    async def later(response: Any) -> Any:
        return hear(await response)

    def hear(response: Any) -> Any:
        heard.append((response if hasattr(response, 'get') else response.headers).get('Content-Encoding'))
        return response

    def listening(*given: Any, **named: Any) -> Any:
        response = post(*given, **named)
        return later(response) if inspect.isawaitable(response) else hear(response)

    client._post = listening
    try:
        for binary in (True, False):
            given = [tensor('x', MANY[:2_000], binary=binary)]
            result = await settled(
                client.infer(
                    'linear',
                    given,
                    outputs=[InferRequestedOutput('y', binary_data=binary)],
                    request_compression_algorithm=packed,
                    response_compression_algorithm=wanted,
                )
            )
            same(result, 'y', np.tile(np.array([3, 4], dtype=np.float32), (2_000, 1)))
            if wanted:
                equal(heard[-1], wanted)
    finally:
        client._post = post


for sent, back in (('gzip', None), ('deflate', None), (None, 'gzip'), (None, 'deflate'), ('gzip', 'gzip'), ('deflate', 'deflate')):
    calls.works(f'infer(request_compression_algorithm={sent!r}, response_compression_algorithm={back!r})', 'binary and JSON')(
        partial(coded, packed=sent, wanted=back)
    )


@calls.works("infer(response_compression_algorithm='gzip') of a small answer")
async def _(client):
    await linear(client, response_compression_algorithm='gzip')


UNPACKED = 'the client reads an error as it comes, and unpacks none'


@calls.refused("infer(response_compression_algorithm='gzip') that is refused in 2 KB", UNPACKED, 400, 'no input x')
async def _(client):
    await settled(client.infer('many', [tensor('x', X)], response_compression_algorithm='gzip'))


@calls.refused('infer that is refused in 2 KB', UNPACKED, 400, 'no input x')
async def _(client):
    await settled(client.infer('many', [tensor('x', X)]))


# Inference: what goes with it.


@calls.works('infer(request_id)', 'comes back')
async def _(client):
    equal((await linear(client, request_id='my-id-1')).get_response()['id'], 'my-id-1')


@calls.works('infer(sequence_id, sequence_start, sequence_end)', 'ignored: a model keeps no state')
async def _(client):
    await linear(client, sequence_id=7, sequence_start=True)
    await linear(client, sequence_id='seven', sequence_end=True)


@calls.works('infer(priority)', 'ignored')
async def _(client):
    await linear(client, priority=1)


@calls.works('infer(timeout) that is long enough')
async def _(client):
    await linear(client, timeout=10_000_000)


@calls.refused('infer(timeout) of a microsecond', 'it is over before the model runs', 503, 'too long')
async def _(client):
    # The server's clock counts milliseconds: a quick answer may be there within one.
    for _ in range(500):
        await linear(client, timeout=1)


@calls.works('infer(parameters)', 'ignored')
async def _(client):
    await linear(client, parameters={'mine': 'x', 'count': 3, 'share': 0.5, 'on': True})


@calls.stopped('infer(parameters) of a reserved name', 'the client keeps them for itself', 'reserved')
async def _(client):
    await linear(client, parameters={'priority': 1})


@calls.works('infer(headers, query_params)', 'ignored')
async def _(client):
    await linear(client, headers={'x-test': '1', 'traceparent': f'00-{"1" * 32}-{"2" * 16}-01'}, query_params={'test_1': 1})


@calls.stopped('infer(headers) with Transfer-Encoding', 'the client sends none, whose asynchronous one has a fault in how it says so', '')
async def _(client):
    await linear(client, headers={'Transfer-Encoding': 'chunked'})


@calls.refused('infer: InferRequestedOutput(class_count)', 'asked for as scores, or of a model with the task classification', 400, 'classification')
async def _(client):
    await settled(client.infer('linear', [tensor('x', X)], outputs=[InferRequestedOutput('y', class_count=1)]))


@calls.refused('infer: unknown model', 'there is none', 404, 'not served')
async def _(client):
    await settled(client.infer('nothing', [tensor('x', X)]))


@calls.refused('infer: unknown version', 'there is none', 404, 'not served')
async def _(client):
    await settled(client.infer('linear', [tensor('x', X)], model_version='7'))


@calls.refused('infer: unknown output', 'there is none', 400, 'no output z')
async def _(client):
    await settled(client.infer('linear', [tensor('x', X)], outputs=[InferRequestedOutput('z')]))


@calls.refused('infer: wrong datatype', 'the model takes FP32', 400, 'FP32')
async def _(client):
    await settled(client.infer('linear', [tensor('x', X.astype(np.float64))]))


@calls.refused('infer: wrong shape', 'the model takes 4 columns', 400, 'shape')
async def _(client):
    await settled(client.infer('linear', [tensor('x', X[:, :3])]))


@calls.refused('infer: an input is missing', 'the model has two', 400, 'missing')
async def _(client):
    await settled(client.infer('pair', [tensor('a', A)]))


# Inference: in other ways.


@calls.works('async_infer: 40 at once over 4 connections', only='tritonclient.http')
async def _(client):
    given = [np.array([at], dtype=np.int64) for at in range(40)]
    requests = [client.async_infer('plus', [tensor('x', array)], request_id=str(array[0])) for array in given]
    for array, request in zip(given, requests):
        result = request.get_result()
        same(result, 'y', array + 2)
        equal(result.get_response()['id'], str(array[0]))


@calls.works('async_infer: every option', only='tritonclient.http')
async def _(client):
    options = {'outputs': [InferRequestedOutput('y', binary_data=False)], 'model_version': '1', 'request_id': '9'}
    options |= {'sequence_id': 3, 'sequence_start': True, 'sequence_end': True, 'priority': 2, 'timeout': 10_000_000}
    options |= {'headers': {'x-test': '1'}, 'query_params': {'a': 1}, 'parameters': {'mine': 1}}
    options |= {'request_compression_algorithm': 'gzip', 'response_compression_algorithm': 'deflate'}
    request = client.async_infer('linear', [tensor('x', X)], **options)
    same(request.get_result(block=True, timeout=10), 'y', Y)


@calls.refused('async_infer: unknown model', 'there is none', 404, 'not served', only='tritonclient.http')
async def _(client):
    client.async_infer('nothing', [tensor('x', X)]).get_result()


@calls.works('infer: 40 at once', only='tritonclient.http.aio')
async def _(client):
    given = [np.array([at], dtype=np.int64) for at in range(40)]
    results = await asyncio.gather(*(client.infer('plus', [tensor('x', array)]) for array in given))
    for array, result in zip(given, results):
        same(result, 'y', array + 2)


@calls.works('generate_request_body, parse_response_body', 'sent by another HTTP client')
async def _(client, key, url):
    body, length = client.generate_request_body([tensor('x', X)], request_id='7')
    headers = {'Inference-Header-Content-Length': str(length), 'Content-Type': 'application/octet-stream'}
    asked = urllib.request.Request(f'http://{url}/v2/models/linear/infer', data=body, headers=headers)
    with urllib.request.urlopen(asked) as response:
        header_length = int(response.headers['Inference-Header-Content-Length'])
        result = client.parse_response_body(response.read(), header_length=header_length)
    same(result, 'y', Y)


@calls.works('InferenceServerClient(concurrency, timeouts …), close', only='tritonclient.http')
async def _(client, key, url):
    options = {'concurrency': 3, 'connection_timeout': 5, 'network_timeout': 5, 'max_greenlets': 2}
    with blocking.InferenceServerClient(url, **options) as other:
        same(other.infer('linear', [tensor('x', X)]), 'y', Y)
        client.asked |= {'close'}


@calls.works('InferenceServerClient(conn_limit, conn_timeout), close', only='tritonclient.http.aio')
async def _(client, key, url):
    async with aio.InferenceServerClient(url, conn_limit=2, conn_timeout=5) as other:
        same(await other.infer('linear', [tensor('x', X)]), 'y', Y)
        client.asked |= {'close'}


@calls.works('every public method was asked')
async def _(client):
    public = {name for name in dir(client) if not name.startswith('_')} - {'asked'}
    equal(sorted(public - client.asked), [])


def watched(kind: type) -> type:
    """A client that knows which of its methods were asked."""

    class Watched(kind):
        asked: set[str]

        def __getattribute__(self, name: str) -> Any:
            if not name.startswith('_') and name != 'asked':
                object.__getattribute__(self, 'asked').add(name)
            return super().__getattribute__(name)

    Watched.asked = set()
    return Watched


def refusal(error: Exception) -> tuple[int, str]:
    if not isinstance(error, blocking.InferenceServerException):
        return 0, f'{type(error).__name__}: {error}'
    return int(error.status() or 0), error.message()


async def main(url: str, key: str) -> None:
    def bearer() -> dict[str, str]:
        # A new one each time: the clients write into it.
        return {'Authorization': f'Bearer {key}'}

    with watched(blocking.InferenceServerClient)(url, concurrency=4, network_timeout=20) as client:
        await ask(calls, 'tritonclient.http', refusal, client, bearer, url)
    async with watched(aio.InferenceServerClient)(url, conn_timeout=20) as client:
        await ask(calls, 'tritonclient.http.aio', refusal, client, bearer, url)
