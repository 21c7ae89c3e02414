"""Models of the ONNX backend suite with an open first dimension: whether rows are answered together as each alone.

joining.py lay-out <folder> <most> <only>  every variant as <folder>/<repository>/<model>/1/; prints the repositories as JSON
joining.py ask <repository> <url> <from>   each of its variants from that one on, a line of JSON each as it is done
joining.py operators                       the operators of ONNX's own lists, as JSON
"""

import hashlib
import itertools
import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from suite import DATATYPES, NoAnswer, Server, ask, cases_of, data_of, different, feed, given_inputs, session_of, short, short_name, text

KINDS = ["node", "simple", "pytorch-converted", "pytorch-operator"]

OPEN = "N"
# Rows that are asked together, and how many of them must be told apart for an answer to say something.
ROWS = 8
DISTINCT = 4
# Of a case's own rows.
MOST_ROWS = 64
# Each of ROWS connections asks so often: half of them by JSON, half by binary tensors.
ROUNDS = 5
RTOL = 1e-5
# Of the largest number of a row: sums of numbers that cancel out have no more digits than that, in whatever order they are summed.
ATOL = 1e-6


# Variants: the cases' models, with their first dimension open.


def model_in(case):
    if case.model is not None:
        return case.model
    return onnx.load(os.path.join(case.model_dir, "model.onnx")) if case.model_dir is not None else None


def served(value):
    return value.type.WhichOneof("value") == "tensor_type" and value.type.tensor_type.elem_type in DATATYPES


def subsets(names):
    """All of them where these are few; otherwise each alone, with the first, all but one, all."""
    if len(names) <= 3:
        return [list(some) for count in range(1, len(names) + 1) for some in itertools.combinations(names, count)]
    some = [[name] for name in names] + [[names[0], name] for name in names[1:]]
    return some + [[name for name in names if name != left] for left in names] + [names]


def choices(graph, given):
    """Which inputs of a case may be open together: tensors of one first size."""
    sizes = {}
    for value, array in zip(given_inputs(graph), given):
        if served(value) and isinstance(array, np.ndarray) and array.ndim > 0:
            sizes.setdefault(array.shape[0], []).append(value.name)
    return [some for names in sizes.values() for some in subsets(names)]


def opened(model, given, wanted, chosen):
    """The model with the chosen inputs and all outputs open, and the other inputs as weights; None where it can't be had."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    # Before it, weights were inputs too.
    made.ir_version = max(made.ir_version, 4)
    del graph.value_info[:]
    for value, array in zip(given_inputs(model.graph), given):
        if value.name in chosen:
            continue
        if value.type.WhichOneof("value") != "tensor_type" or not isinstance(array, np.ndarray):
            return None
        weight = numpy_helper.from_array(array, value.name)
        if weight.data_type != value.type.tensor_type.elem_type:
            return None
        graph.initializer.append(weight)
        graph.input.remove(next(other for other in graph.input if other.name == value.name))
    for value, array in [*((value, None) for value in given_inputs(graph)), *zip(graph.output, wanted)]:
        if not served(value):
            return None
        shape = value.type.tensor_type.shape
        if not value.type.tensor_type.HasField("shape"):
            for size in np.shape(array):
                shape.dim.add().dim_value = size
        if len(shape.dim) == 0:
            return None
        shape.dim[0].Clear()
        shape.dim[0].dim_param = OPEN
    return made


def operator_of(model, name, cases):
    """The one operator of a graph, or the one that it is the function body of; None: several."""
    nodes = [node for node in model.graph.node if node.op_type != "Constant"] or list(model.graph.node)
    if len(nodes) == 1:
        return f"{nodes[0].domain}.{nodes[0].op_type}" if nodes[0].domain not in ("", "ai.onnx") else nodes[0].op_type
    whole = cases.get(name.split("_expanded")[0]) if "_expanded" in name else None
    return operator_of(model_in(whole), whole.name, {}) if whole is not None else None


def lay_out(folder, most, only):
    repositories, refused = [], 0
    for kind in KINDS:
        cases = {case.name: case for case in cases_of(kind)}
        kept = []
        for case in cases.values():
            model = model_in(case)
            if only not in f"{kind}/{case.name}" or model is None:
                continue
            [(given, wanted), *_] = data_of(case, model.graph) or [(None, None)]
            if given is None:
                continue
            given = [text(value) for value in given]
            for chosen in choices(model.graph, given):
                made = opened(model, given, wanted, chosen)
                if made is None:
                    continue
                data = made.SerializeToString()
                if not isinstance(attempt(lambda: run(session_of(data), own_rows(given, model.graph, chosen))), list):
                    refused += 1
                    continue
                places = [str(at) for at, value in enumerate(given_inputs(model.graph)) if value.name in chosen]
                name = short_name(f"{case.name}.{'-'.join(places)}")
                kept.append((name, data, {"case": case.name, "chosen": chosen, "operator": operator_of(model, case.name, cases)}))
        for at in range(0, len(kept), most):
            repository = f"joining-{kind}-{at // most + 1}"
            for name, data, _ in kept[at : at + most]:
                target = os.path.join(folder, repository, name, "1")
                os.makedirs(target)
                with open(os.path.join(target, "model.onnx"), "wb") as file:
                    file.write(data)
                # Waits until all connections have asked.
                batching = {"maxRows": ROWS, "maxDelayMs": 20}
                with open(os.path.join(target, "model.json"), "w") as file:
                    json.dump({"name": name, "version": "1", "batching": batching}, file)
            described = [{"model": name, **of} for name, _, of in kept[at : at + most]]
            with open(os.path.join(folder, f"{repository}.json"), "w") as file:
                json.dump({"kind": kind, "variants": described}, file)
            repositories.append({"kind": kind, "repository": repository, "cases": len(described)})
    return {"repositories": repositories, "refused": refused}


# Rows. A feed is a list of arrays, one for each input of the variant.


def own_rows(given, graph, chosen):
    return [array for value, array in zip(given_inputs(graph), given) if value.name in chosen]


def row_of(values, at):
    return [array[at : at + 1] for array in values]


def joined(rows):
    return [np.concatenate(parts) for parts in zip(*rows)]


def made_row(values, random, way):
    """A row like those of the case. `near`: its numbers, changed a little; `same`: its numbers, elsewhere; `wide`: any."""
    row = []
    for array in values:
        shape = (1, *array.shape[1:])
        pool = array.ravel()
        if array.dtype == np.bool_:
            row.append(random.integers(0, 2, shape).astype(np.bool_))
        elif array.dtype == np.object_:
            words = np.empty(shape, dtype=object)
            chosen = random.choice(pool if pool.size else np.array(["a", "b"], dtype=object), shape)
            words[...] = chosen if way != "wide" else chosen + np.array([str(at) for at in random.integers(0, 9, shape).ravel()], dtype=object).reshape(shape)
            row.append(words)
        elif array.dtype.kind in "iu":
            least, most = (int(pool.min()), int(pool.max())) if pool.size else (0, 2)
            if way == "wide":
                # Where all are alike, no range is known.
                most = min(max(most, least + 3), np.iinfo(array.dtype).max)
            row.append(random.choice(pool, shape) if way == "same" and pool.size else random.integers(least, most, shape, array.dtype, endpoint=True))
        else:
            finite = pool[np.isfinite(pool)].astype(np.float64)
            pool = finite if finite.size else np.array([-1.0, 0.0, 1.0])
            large = float(np.abs(pool).max()) or 1.0
            if way == "wide":
                numbers = random.standard_normal(shape) * min(large, 1e4)
            else:
                numbers = random.choice(pool, shape)
                if way == "near":
                    numbers = numbers * (1 + 0.2 * random.standard_normal(shape)) + 0.01 * large * random.standard_normal(shape)
            with np.errstate(over="ignore"):
                row.append(numbers.astype(array.dtype))
    return row


def count_distinct(rows):
    plain = lambda array: repr(array.tolist()) if array.dtype == np.object_ else array.tobytes()
    return len({tuple(plain(array) for array in row) for row in rows})


def like_the_case(session, values, seed):
    """The case's own rows and others like them, which the model takes."""
    best = []
    for way in ("near", "wide", "same"):
        random = np.random.default_rng(seed)
        rows = [row_of(values, at) for at in range(min(len(values[0]), ROWS))]
        for _ in range(4 * ROWS):
            if len(rows) == ROWS:
                break
            row = made_row(values, random, way)
            if isinstance(attempt(lambda: run(session, row)), list):
                rows.append(row)
        if count_distinct(rows) > count_distinct(best):
            best = rows
        if count_distinct(best) >= DISTINCT:
            break
    return best


def others(session, values, seed):
    """Rows of any numbers that the model takes."""
    random = np.random.default_rng(seed + 1)
    rows = [made_row(values, random, "wide") for _ in range(2 * ROWS)]
    return [row for row in rows if isinstance(attempt(lambda: run(session, row)), list)][:ROWS]


# What Python's onnxruntime says.


def run(session, values):
    return [text(value) for value in session.run(None, {one.name: feed(array) for one, array in zip(session.get_inputs(), values)})]


def attempt(what):
    """What it gives, or how it was refused."""
    try:
        return what()
    except Exception as error:  # noqa: BLE001: whatever it says is the result
        return re.sub(r"^Non-zero status .* Status Message: ", "", short(error))


def unlike(value, wanted, name):
    """How an output of one row differs from what is wanted; None where it doesn't."""
    finite = np.abs(wanted[np.isfinite(wanted)]).astype(np.float64) if wanted.dtype.kind == "f" else np.zeros(0)
    found = different([value], [wanted], RTOL, ATOL * finite.max() if finite.size else 0)
    return found and found.replace("value 0", name, 1)


def depends(session, rows):
    """How rows together differ from each alone; None where they don't. And the answers to each alone."""
    names = [value.name for value in session.get_outputs()]
    alone = []
    for at, row in enumerate(rows):
        outputs = attempt(lambda: run(session, row))
        if not isinstance(outputs, list):
            return f"row {at} alone is refused: {outputs}", []
        alone.append(outputs)
    for order in (range(len(rows)), range(len(rows) - 1, -1, -1)):
        outputs = attempt(lambda: run(session, joined([rows[at] for at in order])))
        if not isinstance(outputs, list):
            return f"{len(rows)} rows are refused: {outputs}", alone
        for name, output, place in zip(names, outputs, itertools.count()):
            if output.ndim == 0 or len(output) != len(rows):
                return f"{name} of {len(rows)} rows has the shape {list(output.shape)}", alone
            for at, row in enumerate(order):
                found = unlike(output[at : at + 1], alone[row][place], name)
                if found:
                    return f"row {row} of {len(rows)}{' turned round' if order[0] else ''}: {found}", alone
    return None, alone


def in_python(session, values, seed):
    """Whether rows are answered by themselves, over the case's rows and others; and rows to ask, with their answers."""
    like = like_the_case(session, values, seed)
    other = others(session, values, seed)
    why, alone = depends(session, like)
    sets = [[row_of(values, at) for at in range(min(len(values[0]), MOST_ROWS))], other]
    for rows in sets:
        if why is None and rows:
            why, _ = depends(session, rows)
    return {"distinct": max(count_distinct(like), count_distinct(other)), "detail": why or ""}, like, alone


# What the server says.


def in_server(servers, pool, model, names, outputs, rows, alone):
    """Each connection asks for a row, again and again, all at once."""

    def asked(at):
        row = at % len(rows)
        wanted = dict(zip(outputs, alone[row]))
        for _ in range(ROUNDS):
            status, answer = said(servers[at], model, names, rows[row], at % 2 == 1)
            found = otherwise(status, answer, wanted)
            if found:
                return row, at % 2 == 1, found, answer
        return None

    results = list(pool.map(asked, range(ROWS)))
    _, _, body = servers[0].send("GET", f"/v2/models/{model}/stats")
    [counted] = json.loads(body)["model_stats"]
    result = {"state": "right", "detail": "", "rows": counted["inference_count"], "runs": counted["execution_count"]}
    for row, binary, found, answer in filter(None, results):
        # What the server says to a row alone is nothing of joining.
        status, again = said(servers[0], model, names, rows[row], binary)
        same = answer == again if isinstance(again, str) else isinstance(answer, dict) and not otherwise(200, answer, again)
        detail = f"row {row}, {'binary' if binary else 'JSON'}: {found}"
        if not same:
            return {**result, "state": "wrong", "detail": detail}
        result = {**result, "state": "refused" if isinstance(again, str) else "unlike Python", "detail": f"{detail}; alone too"}
    return result


def said(server, model, names, row, binary):
    try:
        return ask(server, model, names, row, binary)
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        return 200, f"the answer can't be read: {type(error).__name__}: {error}"


def otherwise(status, answer, wanted):
    if not isinstance(answer, dict):
        return f"{status} {answer}"
    if sorted(answer) != sorted(wanted):
        return f"outputs {sorted(answer)} instead of {sorted(wanted)}"
    return next(filter(None, (unlike(answer[name], wanted[name], name) for name in wanted)), None)


def ask_all(repository, url, first):
    with open(f"{repository}.json") as file:
        described = json.load(file)
    cases = {case.name: case for case in cases_of(described["kind"])}
    servers = [Server(url) for _ in range(ROWS)]
    index = servers[0].index()
    with ThreadPoolExecutor(ROWS) as pool:
        for variant in described["variants"][first:]:
            model, case = variant["model"], cases[variant["case"]]
            graph = model_in(case).graph
            given = [text(value) for value in data_of(case, graph)[0][0]]
            values = own_rows(given, graph, variant["chosen"])
            session = session_of(os.path.join(repository, model, "1", "model.onnx"))
            seed = int(hashlib.sha1(model.encode()).hexdigest()[:8], 16)
            python, rows, alone = in_python(session, values, seed)
            entry = index.get(model)
            loaded = entry is not None and entry["state"] == "READY"
            row = {
                "kind": described["kind"],
                "name": case.name,
                "inputs": variant["chosen"],
                "operator": variant["operator"],
                "operators": sorted({node.op_type for node in graph.node}),
                "batching": entry["batching"] if loaded else "not loaded",
                "reason": "" if loaded else entry["reason"] if entry else "not in the index",
                "python": python,
                "server": None,
            }
            gone = False
            if row["batching"] == "proven" and len(alone) == len(rows) > 0:
                names = [value.name for value in session.get_inputs()]
                outputs = [value.name for value in session.get_outputs()]
                try:
                    row["server"] = in_server(servers, pool, model, names, outputs, rows, alone)
                except NoAnswer as error:
                    gone = True
                    row["server"] = {"state": "wrong", "detail": f"no answer: {error}", "rows": 0, "runs": 0}
            print(json.dumps(row), flush=True)
            if gone:
                return


def operators():
    """Those of today, without what is deprecated, in training or a preview."""
    schemas = [schema for schema in onnx.defs.get_all_schemas() if schema.domain in ("", "ai.onnx.ml") and not schema.deprecated]
    return sorted(f"{schema.domain}.{schema.name}" if schema.domain else schema.name for schema in schemas)


def main():
    onnxruntime.set_default_logger_severity(4)
    command, *rest = sys.argv[1:]
    if command == "lay-out":
        print(json.dumps({**lay_out(rest[0], int(rest[1]), rest[2] if len(rest) > 2 else ""), "operators": operators()}))
    elif command == "ask":
        ask_all(rest[0], rest[1], int(rest[2]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
