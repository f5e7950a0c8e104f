# SPDX-License-Identifier: Apache-2.0
"""calls_tensorflow_serving.py HOST:PORT MODEL: calls with tensorflow-serving-api's stubs, prints what it was told."""

from __future__ import annotations

import json
import sys

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

TIMEOUT_S = 30


def example(**features: float) -> tf.train.Example:
    values = {name: tf.train.Feature(float_list=tf.train.FloatList(value=[value])) for name, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=values))


def predict_request(model: str, version: int | None = None, label: str | None = None, dtype=tf.float32):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = "serving_default"
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    request.inputs["age"].CopyFrom(tf.make_tensor_proto([[1.0], [3.0]], dtype))
    request.inputs["income"].CopyFrom(tf.make_tensor_proto([[1.0], [1.0]], dtype))
    return request


def answer(response) -> dict:
    return {
        "outputs": {name: tf.make_ndarray(value).tolist() for name, value in response.outputs.items()},
        "float_val": list(response.outputs["probabilities"].float_val),
        "version": response.model_spec.version.value,
    }


def failure(call, request) -> dict:
    try:
        call(request, timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": error.details()}
    return {"code": "OK", "details": ""}


def examples(stub, model: str) -> dict:
    told = {}
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name = model
    classify.input.example_list_with_context.context.CopyFrom(example(income=1.0))
    classify.input.example_list_with_context.examples.extend([example(age=1.0), example(age=3.0)])
    result = stub.Classify(classify, timeout=TIMEOUT_S).result
    told["classify"] = [[[c.label, c.score] for c in row.classes] for row in result.classifications]

    regress = regression_pb2.RegressionRequest()
    regress.model_spec.name = model
    regress.input.example_list.examples.append(example(age=1.0, income=1.0))
    told["regress"] = failure(stub.Regress, regress)

    multi = inference_pb2.MultiInferenceRequest()
    multi.input.example_list.examples.append(example(age=3.0, income=1.0))
    task = multi.tasks.add()
    task.model_spec.name = model
    task.method_name = "tensorflow/serving/classify"
    told["multi"] = [
        c.score
        for c in stub.MultiInference(multi, timeout=TIMEOUT_S)
        .results[0]
        .classification_result.classifications[0]
        .classes
    ]
    return told


def failures(stub, models, model: str) -> dict:
    short = predict_request(model)
    short.inputs["age"].float_val.extend([1.0, 2.0, 3.0])
    short.inputs["age"].tensor_content = b""
    unknown = predict_request("nobody")
    signature = predict_request(model)
    signature.model_spec.signature_name = "other"
    complex_type = predict_request(model)
    complex_type.inputs["age"].dtype = tf.complex64.as_datatype_enum
    huge = predict_request(model)
    del huge.inputs["age"].float_val[:]
    huge.inputs["age"].tensor_content = b""
    huge.inputs["age"].float_val.append(1.0)
    huge.inputs["age"].tensor_shape.dim[0].size = 1 << 40
    return {
        "values": failure(stub.Predict, short),
        "model": failure(stub.Predict, unknown),
        "version": failure(stub.Predict, predict_request(model, version=99)),
        "label": failure(stub.Predict, predict_request(model, label="nowhere")),
        "signature": failure(stub.Predict, signature),
        "dtype": failure(stub.Predict, complex_type),
        "huge": failure(stub.Predict, huge),
        "reload": failure(models.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest()),
    }


def main(address: str, model: str) -> None:
    channel = grpc.insecure_channel(address)
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    models = model_service_pb2_grpc.ModelServiceStub(channel)
    told = {
        "predict": answer(stub.Predict(predict_request(model), timeout=TIMEOUT_S)),
        "predict_fp64": answer(stub.Predict(predict_request(model, dtype=tf.float64), timeout=TIMEOUT_S)),
        "predict_version": answer(stub.Predict(predict_request(model, version=1), timeout=TIMEOUT_S)),
        "predict_label": answer(stub.Predict(predict_request(model, label="champion"), timeout=TIMEOUT_S)),
    }

    filtered = predict_request(model)
    filtered.output_filter.append("label")
    told["filtered"] = sorted(stub.Predict(filtered, timeout=TIMEOUT_S).outputs)
    # A shape of two rows whose one value fills both.
    filled = predict_request(model)
    filled.inputs["income"].tensor_content = b""
    filled.inputs["income"].float_val.append(1.0)
    told["filled"] = answer(stub.Predict(filled, timeout=TIMEOUT_S))["outputs"]

    told |= examples(stub, model)
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = model
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert stub.GetModelMetadata(metadata, timeout=TIMEOUT_S).metadata["signature_def"].Unpack(signatures)
    inputs = signatures.signature_def["serving_default"].inputs
    told["metadata"] = {name: [info.dtype, [d.size for d in info.tensor_shape.dim]] for name, info in inputs.items()}

    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = model
    states = models.GetModelStatus(status, timeout=TIMEOUT_S).model_version_status
    told["status"] = [[one.version, get_model_status_pb2.ModelVersionStatus.State.Name(one.state)] for one in states]

    told["failures"] = failures(stub, models, model)
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
