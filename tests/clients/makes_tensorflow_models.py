# SPDX-License-Identifier: Apache-2.0
"""Saves one small convolutional model in TensorFlow's formats, and what TensorFlow answers for given rows.

makes_tensorflow_models.py FOLDER ROWS.npy, run with SLIPWAY_FRAMEWORKS: FOLDER/saved/1, FOLDER/lite/1/model.tflite and
FOLDER/expected.npz.
"""

import json
import pathlib
import sys

import numpy as np
import tensorflow as tf


class Model(tf.Module):
    def __init__(self):
        super().__init__()
        random = np.random.default_rng(5)
        self.kernel = tf.Variable(random.normal(size=(3, 3, 3, 4)).astype(np.float32))
        self.dense = tf.Variable(random.normal(size=(4, 2)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.float32, "image")])
    def answer(self, image):
        hidden = tf.nn.relu(tf.nn.conv2d(image, self.kernel, 2, "SAME"))
        pooled = tf.reduce_mean(hidden, axis=[1, 2])
        return {"scores": tf.nn.softmax(pooled @ self.dense), "pooled": pooled}


def main():
    folder = pathlib.Path(sys.argv[1])
    model = Model()
    rows = np.load(sys.argv[2])
    answers = {name: value.numpy() for name, value in model.answer(tf.constant(rows)).items()}
    np.savez(folder / "expected.npz", **answers)
    tf.saved_model.save(model, str(folder / "saved" / "1"), signatures={"serving_default": model.answer})
    (folder / "lite" / "1").mkdir(parents=True)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved" / "1"))
    (folder / "lite" / "1" / "model.tflite").write_bytes(converter.convert())
    print(json.dumps({"tensorflow": tf.__version__}))


if __name__ == "__main__":
    main()
