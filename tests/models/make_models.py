# SPDX-License-Identifier: Apache-2.0
"""Makes the tiny models of tests/data/models (committed): python tests/models/make_models.py [folder]."""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression

OPSET = [helper.make_opsetid("", 17)]
TYPES = {
    "bool": TensorProto.BOOL,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "fp16": TensorProto.FLOAT16,
    "bf16": TensorProto.BFLOAT16,
    "fp32": TensorProto.FLOAT,
    "fp64": TensorProto.DOUBLE,
    "string": TensorProto.STRING,
}
WEIGHTS = np.array([[1, 10], [2, 20], [3, 30]], dtype=np.float32)
BIAS = np.array([0.5, -0.5], dtype=np.float32)


def info(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    made = helper.make_model(graph, opset_imports=OPSET, producer_name="tests")
    made.ir_version = 9
    onnx.checker.check_model(made)
    return made


def identity(*left_out):
    """Every element type in and out, two columns."""
    types = {t: kind for t, kind in TYPES.items() if t not in left_out}
    nodes = [helper.make_node("Identity", [t], [t + "_out"]) for t in types]
    return model(
        nodes,
        [info(t, kind, ["n", 2]) for t, kind in types.items()],
        [info(t + "_out", kind, ["n", 2]) for t, kind in types.items()],
    )


def linear(rows):
    """y = x W + b."""
    return model(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"])],
        [info("x", TensorProto.FLOAT, [rows, 3])],
        [info("y", TensorProto.FLOAT, [rows, 2])],
        [numpy_helper.from_array(WEIGHTS, "w"), numpy_helper.from_array(BIAS, "b")],
    )


def external(location):
    """The linear model with its weights in another file."""
    made = linear("n")
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": str(WEIGHTS.nbytes)}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return made


def custom_op():
    """y = 2 x by an operator that only tests/models/custom_op.cc knows."""
    graph = helper.make_graph(
        [helper.make_node("Doubled", ["x"], ["y"], domain="slipway.test")],
        "g",
        [info("x", TensorProto.FLOAT, ["n", 3])],
        [info("y", TensorProto.FLOAT, ["n", 3])],
    )
    opsets = [*OPSET, helper.make_opsetid("slipway.test", 1)]
    made = helper.make_model(graph, opset_imports=opsets, producer_name="tests")
    made.ir_version = 9
    return made


def non_zero():
    """The indices that are not zero: the first dimension of the answer is not the rows of the request."""
    return model(
        [helper.make_node("NonZero", ["x"], ["at"]), helper.make_node("Transpose", ["at"], ["y"], perm=[1, 0])],
        [info("x", TensorProto.FLOAT, ["n", 3])],
        [info("y", TensorProto.INT64, ["found", 2])],
    )


def sequence():
    """A sequence of x and 2x."""
    output = helper.make_tensor_sequence_value_info("both", TensorProto.FLOAT, ["n", 3])
    return model(
        [
            helper.make_node("Add", ["x", "x"], ["twice"]),
            helper.make_node("SequenceConstruct", ["x", "twice"], ["both"]),
        ],
        [info("x", TensorProto.FLOAT, ["n", 3])],
        [output],
    )


def centred():
    """Each row less the mean of all rows: looks batchable and is not."""
    return model(
        [
            helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
            helper.make_node("Sub", ["x", "mean"], ["y"]),
        ],
        [info("x", TensorProto.FLOAT, ["n", 3])],
        [info("y", TensorProto.FLOAT, ["n", 3])],
    )


def lookup():
    """A table of four numbers: an index past it fails at run time."""
    table = numpy_helper.from_array(np.array([0, 10, 20, 30], dtype=np.float32), "table")
    return model(
        [helper.make_node("Gather", ["table", "index"], ["value"])],
        [info("index", TensorProto.INT64, ["n"])],
        [info("value", TensorProto.FLOAT, ["n"])],
        [table],
    )


def endless():
    """A loop that does not end in anybody's lifetime."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Sin", ["at"], ["next"]),
        ],
        "body",
        [info("i", TensorProto.INT64, []), info("go", TensorProto.BOOL, []), info("at", TensorProto.FLOAT, ["n"])],
        [info("go_on", TensorProto.BOOL, []), info("next", TensorProto.FLOAT, ["n"])],
    )
    count = numpy_helper.from_array(np.array(2**62, dtype=np.int64), "count")
    yes = numpy_helper.from_array(np.array(True), "yes")
    return model(
        [helper.make_node("Loop", ["count", "yes", "x"], ["y"], body=body)],
        [info("x", TensorProto.FLOAT, ["n"])],
        [info("y", TensorProto.FLOAT, ["n"])],
        [count, yes],
    )


def swelling():
    """A few bytes of file that ask for eight gigabytes when run."""
    sizes = numpy_helper.from_array(np.array([2**31], dtype=np.int64), "sizes")
    return model(
        [
            helper.make_node("Expand", ["x", "sizes"], ["large"]),
            helper.make_node("ReduceSum", ["large"], ["y"], keepdims=1),
        ],
        [info("x", TensorProto.FLOAT, [1])],
        [info("y", TensorProto.FLOAT, [1])],
        [sizes],
    )


def classifier(classes):
    """A logistic regression whose probabilities come as ZipMap's sequence of maps."""
    points = np.array([[0, 0], [0, 1], [4, 0], [4, 1], [0, 8], [1, 8]], dtype=np.float32)
    fitted = LogisticRegression().fit(points, np.array(classes).repeat(2))
    return convert_sklearn(
        fitted, name="classifier", initial_types=[("x", FloatTensorType([None, 2]))], target_opset=17
    )


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "data" / "models")
    folder.mkdir(parents=True, exist_ok=True)
    models = {
        "identity": identity(),
        "identity_numbers": identity("string"),
        "linear": linear("n"),
        "fixed_batch": linear(2),
        "sequence": sequence(),
        "centred": centred(),
        "lookup": lookup(),
        "custom_op": custom_op(),
        "non_zero": non_zero(),
        "endless": endless(),
        "swelling": swelling(),
        "classifier_int": classifier([3, 5, 8]),
        "classifier_string": classifier(["ash", "birch", "cedar"]),
        "external": external("external.weights"),
        "external_escape": external("../models/external.weights"),
        "external_memory": external("*/_ORT_MEM_ADDR_/*"),
    }
    for name, made in models.items():
        (folder / f"{name}.onnx").write_bytes(made.SerializeToString(deterministic=True))
    (folder / "external.weights").write_bytes(WEIGHTS.tobytes())
    whole = models["linear"].SerializeToString(deterministic=True)
    (folder / "broken.onnx").write_bytes(whole[: len(whole) // 2])


if __name__ == "__main__":
    main()
