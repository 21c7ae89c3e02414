"""The cases of the ONNX backend suite, what Python's onnxruntime says to each, and what a model server says to it.

suite.py versions                        the packages that are compared, as JSON
suite.py lay-out <folder> <most> <only>  every case as <folder>/<repository>/<model>/1/model.onnx; prints the repositories as JSON
suite.py ask <repository> <url> <from>   each of its cases from that one on, a line of JSON each as it is done
"""

import glob
import hashlib
import http.client
import json
import os
import re
import shutil
import sys
import urllib.parse
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

KINDS = ["node", "simple", "pytorch-converted", "pytorch-operator", "real"]
SITE = os.path.dirname(os.path.dirname(onnx.__file__))

# As the Open Inference Protocol names them; whatever else ONNX has, it can't carry.
DATATYPES = {
    onnx.TensorProto.BOOL: ("BOOL", np.bool_),
    onnx.TensorProto.UINT8: ("UINT8", np.uint8),
    onnx.TensorProto.UINT16: ("UINT16", np.uint16),
    onnx.TensorProto.UINT32: ("UINT32", np.uint32),
    onnx.TensorProto.UINT64: ("UINT64", np.uint64),
    onnx.TensorProto.INT8: ("INT8", np.int8),
    onnx.TensorProto.INT16: ("INT16", np.int16),
    onnx.TensorProto.INT32: ("INT32", np.int32),
    onnx.TensorProto.INT64: ("INT64", np.int64),
    onnx.TensorProto.FLOAT16: ("FP16", np.float16),
    onnx.TensorProto.FLOAT: ("FP32", np.float32),
    onnx.TensorProto.DOUBLE: ("FP64", np.float64),
    onnx.TensorProto.STRING: ("BYTES", np.object_),
}
BY_DATATYPE = {datatype: np.dtype(dtype) for datatype, dtype in DATATYPES.values()}
BY_DTYPE = {dtype: datatype for datatype, dtype in BY_DATATYPE.items()}


class NoAnswer(Exception):
    """The server is gone, or closed the connection."""


# The suite: where a case's model and data lie.


def cases_of(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sorted(load_model_tests(kind=kind), key=lambda case: case.name)


def light(case):
    """The model of a "real" case that is inside of the package, without its weights; None where it must be downloaded."""
    path = os.path.join(SITE, case.url) if case.url and case.url.startswith("onnx/backend/test/data/light/") else None
    return path if path and os.path.exists(path) else None


def short_name(name):
    """A served model's name has at most 64 characters."""
    return name if len(name) <= 64 else f"{name[:55]}-{hashlib.sha1(name.encode()).hexdigest()[:8]}"


def model_of(case):
    return short_name(case.name)


def given_inputs(graph):
    weights = {weight.name for weight in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def read(path, described):
    """A value of a file, by the type that the model says."""
    proto = {
        "sequence_type": (onnx.SequenceProto, numpy_helper.to_list),
        "optional_type": (onnx.OptionalProto, numpy_helper.to_optional),
    }.get(described.type.WhichOneof("value"), (onnx.TensorProto, numpy_helper.to_array))
    made = proto[0]()
    with open(path, "rb") as file:
        made.ParseFromString(file.read())
    return proto[1](made)


def data_of(case, graph):
    """Pairs of inputs and expected outputs."""
    inputs = given_inputs(graph)
    if case.data_sets is not None:
        array = lambda value: numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
        return [([array(value) for value in given], [array(value) for value in wanted]) for given, wanted in case.data_sets]
    if case.model_dir is None:
        # As onnx's own runner makes them.
        shapes = [[size.dim_value or 1 for size in value.type.tensor_type.shape.dim] for value in inputs]
        given = [(np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)).astype(np.float32) for shape in shapes]
        prefix = os.path.splitext(light(case))[0]
        return [(given, [read(f"{prefix}_output_{at}.pb", value) for at, value in enumerate(graph.output)])]
    sets = []
    for folder in sorted(glob.glob(os.path.join(case.model_dir, "test_data_set_*"))):
        side = lambda name, values: [
            read(os.path.join(folder, f"{name}_{at}.pb"), value)
            for at, value in enumerate(values)
            if os.path.exists(os.path.join(folder, f"{name}_{at}.pb"))
        ]
        sets.append((side("input", inputs), side("output", graph.output)))
    return sets


def type_name(value, side):
    """What the protocol can't carry of an input or output; None where it can."""
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return f"{(kind or 'unknown').removesuffix('_type')} as {side}"
    element = value.type.tensor_type.elem_type
    return None if element in DATATYPES else onnx.TensorProto.DataType.Name(element).lower()


def lay_out(folder, most, only):
    repositories, left_out = [], []
    for kind in KINDS:
        kept = []
        for case in cases_of(kind):
            if only not in f"{kind}/{case.name}":
                continue
            if case.model is None and case.model_dir is None and light(case) is None:
                left_out.append(f"{kind}/{case.name}")
                continue
            kept.append(case)
        for at in range(0, len(kept), most):
            part = kept[at : at + most]
            repository = f"{kind}-{at // most + 1}"
            for case in part:
                target = os.path.join(folder, repository, model_of(case), "1")
                if case.model_dir is not None:
                    shutil.copytree(case.model_dir, target)
                else:
                    os.makedirs(target)
                    if case.model is not None:
                        onnx.save(case.model, os.path.join(target, "model.onnx"))
                    else:
                        shutil.copy(light(case), os.path.join(target, "model.onnx"))
            with open(os.path.join(folder, f"{repository}.json"), "w") as file:
                json.dump({"kind": kind, "cases": [case.name for case in part]}, file)
            repositories.append({"kind": kind, "repository": repository, "cases": len(part)})
    return {"repositories": repositories, "leftOut": left_out}


# Comparing.


def different(values, wanted, rtol, atol):
    """How values differ from what is wanted; None where they don't. Whole numbers, strings and bools: exactly."""
    if len(values) != len(wanted):
        return f"{len(values)} values instead of {len(wanted)}"
    for at, (value, other) in enumerate(zip(values, wanted)):
        if isinstance(other, (list, tuple)) or isinstance(value, (list, tuple)):
            if not (isinstance(other, (list, tuple)) and isinstance(value, (list, tuple))):
                return f"value {at} is a list on one side only"
            found = different(value, other, rtol, atol)
            if found:
                return f"value {at}: {found}"
            continue
        if value is None or other is None:
            if value is not other:
                return f"value {at} is missing on one side"
            continue
        value, other = np.asarray(value), np.asarray(other)
        if value.dtype == np.uint8 and other.dtype not in BY_DTYPE and other.dtype.itemsize == 1:
            # How Python's onnxruntime gives float8.
            other = other.view(np.uint8)
        if value.dtype != other.dtype:
            return f"value {at} is {value.dtype}, not {other.dtype}"
        if value.shape != other.shape:
            return f"value {at} has the shape {list(value.shape)}, not {list(other.shape)}"
        if value.dtype.kind in "biu" or value.dtype == np.object_:
            same = value == other
        else:
            loose = max(rtol, 2**-6) if value.dtype.name == "bfloat16" else rtol
            wide = value.dtype if value.dtype.kind == "f" and value.dtype.itemsize > 2 else np.float32
            same = np.isclose(value.astype(wide), other.astype(wide), loose, atol, equal_nan=True)
        if not np.all(same):
            first = int(np.argmin(np.ravel(same)))
            return f"value {at}: {np.ravel(value)[first]!r} instead of {np.ravel(other)[first]!r} at {first}; {np.size(same) - int(np.sum(same))} of {np.size(same)} differ"
    return None


def text(array):
    """Strings as str: ONNX and its runtime give bytes or str."""
    if isinstance(array, (list, tuple)):
        return [text(value) for value in array]
    if array is None:
        return None
    array = np.asarray(array)
    if array.dtype != np.object_ and array.dtype.kind not in "SU":
        return array
    words = [word.decode() if isinstance(word, bytes) else str(word) for word in array.ravel()]
    made = np.empty(len(words), dtype=object)
    made[:] = words
    return made.reshape(array.shape)


# Python's onnxruntime.


def feed(array):
    """numpy's own types as they are; bfloat16 and float8 as the bytes that they are."""
    if array is None or isinstance(array, (list, tuple)):
        return array
    array = np.asarray(array)
    if array.dtype in BY_DTYPE or array.dtype.itemsize > 2:
        return array
    raw = array.view(np.uint16 if array.dtype.itemsize == 2 else np.uint8)
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(raw, onnx.helper.np_dtype_to_tensor_dtype(array.dtype))


def short(error):
    """A message of onnxruntime without its codes, and where in its source it was raised."""
    message = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from \S+ failed:", "", str(error).split("\n")[0])
    return re.sub(r"/onnxruntime_src/\S+ ", "", message)[:300]


def session_of(model):
    """Of a file, or of its bytes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_in_python(path, sets, case):
    """What it says, and its outputs of each set of inputs."""
    try:
        session = session_of(path)
        names = [value.name for value in session.get_inputs()]
        outputs = [
            text(session.run(None, {name: feed(value) for name, value in zip(names, given)})) for given, _ in sets
        ]
    except Exception as error:  # noqa: BLE001: whatever it says is the result
        return {"state": "refused", "detail": short(error)}, None
    for made, (_, wanted) in zip(outputs, sets):
        found = different(made, text(wanted), case.rtol, case.atol)
        if found:
            return {"state": "wrong", "detail": found}, outputs
    return {"state": "right", "detail": ""}, outputs


# The server.


class Server:
    def __init__(self, url):
        address = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)

    def post(self, path, body, headers):
        return self.send("POST", path, body, headers)

    def send(self, method, path, body=None, headers={}):
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise NoAnswer(f"{type(error).__name__}: {error}") from error

    def index(self):
        _, _, body = self.post("/v2/repository/index", b"{}", {"content-type": "application/json"})
        return {entry["name"]: entry for entry in json.loads(body)}


def number(value):
    """JSON has no NaN and no infinities: they are their names."""
    value = float(value)
    if np.isnan(value):
        return "NaN"
    return value if np.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def to_json(array):
    flat = array.ravel()
    return [number(value) for value in flat] if array.dtype.kind == "f" else flat.tolist()


def to_binary(array):
    if array.dtype != np.object_:
        return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    words = [word.encode() for word in array.ravel()]
    return b"".join(len(word).to_bytes(4, "little") + word for word in words)


def from_json(datatype, shape, data):
    dtype = BY_DATATYPE[datatype]
    named = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}
    kinds = {"b": bool, "i": int, "u": int, "O": str}
    if dtype.kind == "f":
        data = [named[value] if isinstance(value, str) else value for value in data]
        ok = all(type(value) in (int, float) for value in data)
    else:
        ok = all(type(value) is kinds[dtype.kind] for value in data)
    if not ok:
        raise ValueError(f"data of {datatype} holds something else")
    with np.errstate(over="ignore"):
        made = np.empty(len(data), dtype=dtype)
        made[:] = data
    return made.reshape(shape)


def from_binary(datatype, shape, data):
    dtype = BY_DATATYPE[datatype]
    if dtype != np.object_:
        return np.frombuffer(data, dtype=dtype.newbyteorder("<")).astype(dtype).reshape(shape)
    words, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        words.append(data[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return text(np.array(words, dtype=object).reshape(shape))


def bare(name):
    raise ValueError(f"{name} is no JSON")


def ask(server, model, names, given, binary):
    """Status, and the outputs by their names or the message."""
    inputs, parts = [], []
    for name, array in zip(names, given):
        described = {"name": name, "datatype": BY_DTYPE[array.dtype], "shape": list(array.shape)}
        if binary:
            parts.append(to_binary(array))
            inputs.append({**described, "parameters": {"binary_data_size": len(parts[-1])}})
        else:
            inputs.append({**described, "data": to_json(array)})
    request = {"inputs": inputs, **({"parameters": {"binary_data_output": True}} if binary else {})}
    head = json.dumps(request, allow_nan=False).encode()
    headers = {"content-type": "application/json"}
    if binary:
        headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    status, answered, body = server.post(f"/v2/models/{model}/infer", head + b"".join(parts), headers)
    if status != 200:
        try:
            return status, json.loads(body)["error"]
        except (ValueError, KeyError, TypeError):
            return status, body[:300].decode(errors="replace")
    length = int(answered.get("inference-header-content-length", len(body)))
    outputs, at = {}, length
    for output in json.loads(body[:length], parse_constant=bare)["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if binary and size is None:
            raise ValueError(f"{output['name']} is not binary")
        if size is None:
            outputs[output["name"]] = from_json(output["datatype"], output["shape"], output["data"])
        else:
            outputs[output["name"]] = from_binary(output["datatype"], output["shape"], body[at : at + size])
            at += size
    if at != len(body):
        raise ValueError(f"{len(body) - at} bytes behind the outputs")
    return status, outputs


def by_name(graph, values):
    """Outputs as the server names them: the parts of a list by their places."""
    named = {}
    for output, value in zip(graph.output, values):
        if isinstance(value, (list, tuple)):
            named.update({f"{output.name}.{at}": part for at, part in enumerate(value)})
        elif value is not None:
            named[output.name] = value
    return named


def run_in_server(server, model, entry, graph, sets, wanted, case, binary):
    if entry is None or entry["state"] != "READY":
        return {"state": "not loaded", "detail": entry["reason"] if entry else "not in the index"}
    names = [value.name for value in given_inputs(graph)]
    for (given, _), outputs in zip(sets, wanted):
        arrays = [text(value) for value in given]
        if any(not isinstance(array, np.ndarray) or array.dtype not in BY_DTYPE for array in arrays):
            return {"state": "refused", "detail": "no request can carry it"}
        try:
            status, answer = ask(server, model, names, arrays, binary)
        except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
            return {"state": "wrong", "detail": f"the answer can't be read: {type(error).__name__}: {error}"}
        if status != 200:
            return {"state": "refused", "detail": f"{status} {answer}"}
        named = by_name(graph, outputs)
        if sorted(named) != sorted(answer):
            return {"state": "wrong", "detail": f"outputs {sorted(answer)} instead of {sorted(named)}"}
        found = different([answer[name] for name in named], list(named.values()), case.rtol, case.atol)
        if found:
            return {"state": "wrong", "detail": found}
    return {"state": "right", "detail": ""}


def cause(detail, model, graph):
    """The message without what is of this case alone, so that equal ones can be put together."""
    names = "|".join(re.escape(value.name) for value in [*graph.input, *graph.output]) or "(?!)"
    message = re.sub(rf"^(\d{{3}} )?({names})(?=: | is | holds | has )", r"\1<name>", detail.replace(model, "<case>"))
    message = re.sub(r"\[[-\d, ]*\]", "[…]", message)
    # But for the status in front.
    return re.sub(r"(?<![\w.])(?<!^)-?\d+(\.\d+)?(e[-+]?\d+)?(?![\w.])", "n", message)[:300]


def ask_all(repository, url, first):
    with open(f"{repository}.json") as file:
        described = json.load(file)
    cases = {case.name: case for case in cases_of(described["kind"])}
    server = Server(url)
    index = server.index()
    for name in described["cases"][first:]:
        case = cases[name]
        model = model_of(case)
        path = os.path.join(repository, model, "1", "model.onnx")
        graph = onnx.load(path, load_external_data=False).graph
        sets = data_of(case, graph)
        python, outputs = run_in_python(path, sets, case)
        hard = [type_name(value, "input") for value in given_inputs(graph)]
        outs = [type_name(value, "output") for value in graph.output]
        hard += [found for found in outs if found and " as " not in found]
        row = {
            "kind": described["kind"],
            "name": name,
            # What the protocol can't carry at all, and outputs that a server may give as tensors or refuse.
            "cannot": next(filter(None, hard), None),
            "unusual": next((found for found in outs if found and " as " in found), None),
            "python": python,
        }
        wanted = outputs if outputs is not None else [text(expected) for _, expected in sets]
        gone = False
        for way in ("json", "binary"):
            try:
                row[way] = run_in_server(server, model, index.get(model), graph, sets, wanted, case, way == "binary")
            except NoAnswer as error:
                gone = True
                row[way] = {"state": "refused", "detail": f"no answer: {error}"}
            row[way]["cause"] = cause(row[way]["detail"], model, graph)
        print(json.dumps(row), flush=True)
        if gone:
            return


def main():
    onnxruntime.set_default_logger_severity(4)
    command, *rest = sys.argv[1:]
    if command == "versions":
        print(json.dumps({"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__, "numpy": np.__version__}))
    elif command == "lay-out":
        print(json.dumps(lay_out(rest[0], int(rest[1]), rest[2] if len(rest) > 2 else "")))
    elif command == "ask":
        ask_all(rest[0], rest[1], int(rest[2]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
