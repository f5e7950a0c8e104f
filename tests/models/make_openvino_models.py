# SPDX-License-Identifier: Apache-2.0
"""Makes the tiny models that OpenVINO runs (committed): make_openvino_models.py [FOLDER], by $SLIPWAY_FRAMEWORKS.

All but the Paddle one compute, for rows x and a of three numbers: scores = softmax(x W), total = sum(x + a).
"""

import pathlib
import shutil
import struct
import sys
import tempfile

import numpy as np
import tensorflow as tf

WEIGHTS = np.arange(6, dtype=np.float32).reshape(3, 2)
ROW = tf.TensorSpec([None, 3], tf.float32)


class Model(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, "x"), tf.TensorSpec([None, 3], tf.float32, "a")])
    def answer(self, x, a):
        return {"scores": tf.nn.softmax(x @ tf.constant(WEIGHTS)), "total": tf.reduce_sum(x + a, axis=1)}


def frozen():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 3], "x")
        a = tf.compat.v1.placeholder(tf.float32, [None, 3], "a")
        tf.nn.softmax(tf.matmul(x, tf.constant(WEIGHTS)), name="scores")
        tf.reduce_sum(x + a, axis=1, name="total")
    return graph.as_graph_def().SerializeToString(deterministic=True)


def field(number, value):
    """One field in protobuf's wire format."""
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value & (2**64 - 1))


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def paddle():
    """A Paddle program without weights: y = 2 x + 1."""
    fp32, tensor, feed_list, fetch_list = 5, 7, 9, 10
    int_attribute, float_attribute, bool_attribute = 0, 1, 6

    def rows(name):
        dims = field(1, fp32) + field(2, -1) + field(2, 3)
        return field(3, field(1, name) + field(2, field(1, tensor) + field(3, field(1, dims) + field(2, 0))))

    def special(name, kind):
        return field(3, field(1, name) + field(2, field(1, kind)) + field(3, 1))

    def op(kind, source, target, *attributes):
        wires = field(1, field(1, "X") + field(2, source)) + field(2, field(1, "Out") + field(2, target))
        return field(4, wires + field(3, kind) + b"".join(field(4, one) for one in attributes))

    column = field(1, "col") + field(2, int_attribute) + field(3, 0)
    scale = field(1, "scale") + field(2, float_attribute) + field(4, 2.0)
    bias = field(1, "bias") + field(2, float_attribute) + field(4, 1.0)
    after = field(1, "bias_after_scale") + field(2, bool_attribute) + field(10, 1)
    block = field(1, 0) + field(2, -1) + special("feed", feed_list) + special("fetch", fetch_list)
    block += rows("x") + rows("y") + op("feed", "feed", "x", column)
    block += op("scale", "x", "y", scale, bias, after) + op("fetch", "y", "fetch", column)
    return field(1, block) + field(4, field(1, 2004000))


IR = """<?xml version="1.0"?>
<net name="linear" version="11">
  <layers>
    <layer id="0" name="x" type="Parameter" version="opset1">
      <data shape="?,3" element_type="f32"/>
      <output><port id="0" precision="FP32" names="x"><dim>-1</dim><dim>3</dim></port></output>
    </layer>
    <layer id="1" name="w" type="Const" version="opset1">
      <data element_type="f32" shape="3,2" offset="0" size="24"/>
      <output><port id="0" precision="FP32"><dim>3</dim><dim>2</dim></port></output>
    </layer>
    <layer id="2" name="xw" type="MatMul" version="opset1">
      <data transpose_a="false" transpose_b="false"/>
      <input>
        <port id="0" precision="FP32"><dim>-1</dim><dim>3</dim></port>
        <port id="1" precision="FP32"><dim>3</dim><dim>2</dim></port>
      </input>
      <output><port id="2" precision="FP32" names="y"><dim>-1</dim><dim>2</dim></port></output>
    </layer>
    <layer id="3" name="y/sink" type="Result" version="opset1">
      <input><port id="0" precision="FP32"><dim>-1</dim><dim>2</dim></port></input>
    </layer>
  </layers>
  <edges>
    <edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>
    <edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
    <edge from-layer="2" from-port="2" to-layer="3" to-port="0"/>
  </edges>
</net>
"""


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "data" / "models")
    with tempfile.TemporaryDirectory() as temporary:
        made = Model()
        tf.saved_model.save(made, temporary, signatures={"serving_default": made.answer})
        target = folder / "saved_model"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(temporary, target, ignore=shutil.ignore_patterns("assets", "fingerprint.pb"))
        converter = tf.lite.TFLiteConverter.from_saved_model(temporary)
        (folder / "scores.tflite").write_bytes(converter.convert())
    (folder / "frozen.pb").write_bytes(frozen())
    (folder / "scale.pdmodel").write_bytes(paddle())
    (folder / "linear.xml").write_text(IR)
    (folder / "linear.bin").write_bytes(WEIGHTS.tobytes())


if __name__ == "__main__":
    main()
