# SPDX-License-Identifier: Apache-2.0
"""A convolutional network of MobileNet's size (random weights, made here) served, beside ONNX Runtime in process.

One core serves, another one asks; requests carry one image of 3x224x224 as binary data. In process means a Python loop
around ONNX Runtime with one thread on the server's core: its own cost is nothing beside an image. Figures go to
build/bench/images.json.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import served

# Channels and stride of MobileNet v1's thirteen pairs of a depthwise and a pointwise convolution.
PAIRS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
IMAGE = [1, 3, 224, 224]

IN_PROCESS = """
import json, sys, time
import numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
figures = {}
for batch in map(int, sys.argv[3:]):
    images = np.random.default_rng(5).random((batch, 3, 224, 224), dtype=np.float32)
    session.run(None, {"X": images})
    times, end = [], time.monotonic() + float(sys.argv[2])
    while time.monotonic() < end:
        began = time.process_time()
        session.run(None, {"X": images})
        times.append(time.process_time() - began)
    figures[batch] = float(np.median(times))
print(json.dumps(figures))
"""


def network() -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(11)
    nodes, weights, value, channels = [], [], "X", 3

    def convolve(out: int, size: int, stride: int, group: int) -> None:
        nonlocal value, channels
        name = f"w{len(weights)}"
        shape = (out, channels // group, size, size)
        scale = np.sqrt(2 / (shape[1] * size * size))
        weights.append(numpy_helper.from_array(random.normal(0, scale, shape).astype(np.float32), name))
        pads = [size // 2] * 4
        kept = {"kernel_shape": [size, size], "strides": [stride, stride], "pads": pads, "group": group}
        nodes.append(helper.make_node("Conv", [value, name], [f"c{name}"], **kept))
        nodes.append(helper.make_node("Relu", [f"c{name}"], [f"r{name}"]))
        value, channels = f"r{name}", out

    convolve(32, 3, 2, 1)
    for out, stride in PAIRS:
        convolve(channels, 3, stride, channels)
        convolve(out, 1, 1, 1)
    weights.append(numpy_helper.from_array(random.normal(0, 0.03, (1024, 1000)).astype(np.float32), "head"))
    nodes.append(helper.make_node("GlobalAveragePool", [value], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
    nodes.append(helper.make_node("MatMul", ["flat", "head"], ["logits"]))
    image = helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", *IMAGE[1:]])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 1000])
    graph = helper.make_graph(nodes, "images", [image], [logits], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def request(folder: pathlib.Path) -> tuple[pathlib.Path, list[str]]:
    import tritonclient.http as triton_http

    image = np.random.default_rng(5).random(IMAGE, dtype=np.float32)
    tensor = triton_http.InferInput("X", IMAGE, "FP32").set_data_from_numpy(image)
    body, length = triton_http.InferenceServerClient.generate_request_body([tensor])
    (folder / "image").write_bytes(body)
    return folder / "image", [f"Inference-Header-Content-Length: {length}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0 if served.QUICK else 8.0, help="of one measurement")
    parser.add_argument("--under-way", type=int, nargs="*", default=[1, 4])
    options = parser.parse_args()
    from slipway_server import Server

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = folder / "models/images/1/model.onnx"
        model.parent.mkdir(parents=True)
        model.write_bytes(network())
        command = ["taskset", "-c", served.SERVER_CORE, sys.executable, "-c", IN_PROCESS, str(model)]
        command += [str(options.seconds), *map(str, sorted({1, *options.under_way}))]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        alone = {int(batch): seconds for batch, seconds in json.loads(done.stdout).items()}
        rows = []
        server = Server(folder / "data", "--models", str(folder / "models"))
        try:
            served.start_pinned(server)
            server.wait_for(lambda: ready(server), 60, "the network")
            served.pin(server.process.pid)
            for under_way in options.under_way:
                cell = ("http", server.http, "/v2/models/images/infer", request(folder), under_way, options.seconds)
                rows.append({"under_way": under_way, **served.load(server.process.pid, *cell)})
        finally:
            server.stop()
    best_s = min(seconds / batch for batch, seconds in alone.items())
    print(f"{time.strftime('%Y-%m-%d')}: in process {1 / best_s:.1f} images a second of processor time")
    for row in rows:
        row["batch_ms"] = alone[row["under_way"]] * 1000
        row["to_in_process"] = best_s * 1e6 / row["cpu_us"]
        print(
            f"{row['under_way']} under way: {row['rate']:.1f} images/s, {row['cpu_us'] / 1000:.1f} ms of processor "
            f"time each, {row['to_in_process']:.3f} of in process;\n    p99 {row['p99_us'] / 1000:.0f} ms, "
            f"a batch of as many in process {row['batch_ms']:.0f} ms"
        )
    served.save("images.json", {"in_process_s": alone, "rows": rows})
    return 0


def ready(server) -> bool:
    import requests

    return requests.get(f"{server.url}/v2/models/images/ready", timeout=5).status_code == 200


if __name__ == "__main__":
    sys.exit(main())
