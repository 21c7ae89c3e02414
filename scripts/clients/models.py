"""models.py <folder>: writes the models that the clients ask, each small enough that its answer can be told by hand."""

import json
import sys
from pathlib import Path

import onnx
from onnx.parser import parse_model

# The datatypes of the protocol, as ONNX's text format names them.
TYPES = {
    'BOOL': 'bool',
    'UINT8': 'uint8',
    'UINT16': 'uint16',
    'UINT32': 'uint32',
    'UINT64': 'uint64',
    'INT8': 'int8',
    'INT16': 'int16',
    'INT32': 'int32',
    'INT64': 'int64',
    'FP16': 'float16',
    'FP32': 'float',
    'FP64': 'double',
    'BYTES': 'string',
}

LINEAR = '(float[N,4] x) => (float[N,2] y) <float[4,2] w = {1, 0, 0, 1, 2, 0, 0, 3}> { y = MatMul(x, w) }'
MANY = [f'input_of_a_long_name_{at}' for at in range(80)]
MODELS = {
    # y = [x0 + 2 x2, x1 + 3 x3]
    'linear/1': LINEAR,
    # The one that is loaded and unloaded.
    'churn/1': LINEAR,
    # The versions differ in what they add.
    'plus/1': '(int64[N] x) => (int64[N] y) <int64[1] step = {1}> { y = Add(x, step) }',
    'plus/2': '(int64[N] x) => (int64[N] y) <int64[1] step = {2}> { y = Add(x, step) }',
    'pair/1': '(float[N,2] a, float[N,2] b) => (float[N,2] sum, float[N,2] difference) { sum = Add(a, b) difference = Sub(a, b) }',
    # 0/0 is NaN, 1/0 infinite.
    'ratio/1': '(float[N] a, float[N] b) => (float[N] y) { y = Div(a, b) }',
    # A column an input, as converters of scikit-learn make them.
    'columns/1': '(float[N,1] age, string[N,1] name) => (float[N,1] doubled, string[N,1] same) { doubled = Add(age, age) same = Identity(name) }',
    # What is said of its inputs is longer than a kilobyte.
    'many/1': f'({", ".join(f"float[N] {name}" for name in MANY)}) => (float[N] y) {{ y = Sum({", ".join(MANY)}) }}',
    'strings/1': '(string[N,1] x) => (string[N,1] y) { y = Identity(x) }',
    **{f'same_{name.lower()}/1': f'({type}[N,M] x) => ({type}[N,M] y) {{ y = Identity(x) }}' for name, type in TYPES.items()},
}


def main(folder: Path) -> None:
    for path, text in MODELS.items():
        write(folder / path, parse_model(f'<ir_version: 8, opset_import: ["" : 17]> made {text}'))
    # The name that MLServer's request codecs give to their one input; the text format knows no hyphens.
    named = parse_model(f'<ir_version: 8, opset_import: ["" : 17]> made {LINEAR}')
    named.graph.input[0].name = named.graph.node[0].input[0] = 'input-1'
    write(folder / 'input_1/1', named)
    # Both versions are served, and not the newest alone.
    (folder / 'plus/config.json').write_text(json.dumps({'versions': 'all'}))


def write(folder: Path, model: onnx.ModelProto) -> None:
    onnx.checker.check_model(model)
    folder.mkdir(parents=True)
    onnx.save(model, str(folder / 'model.onnx'))


main(Path(sys.argv[1]))
