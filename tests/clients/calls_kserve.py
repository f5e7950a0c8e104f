# SPDX-License-Identifier: Apache-2.0
"""calls_kserve.py URL GRPC MODEL: calls a server with KServe's own clients, and prints what it was told."""

from __future__ import annotations

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig


async def first_protocol(url: str, model: str) -> dict:
    client = InferenceRESTClient(RESTConfig(protocol="v1", retries=1, timeout=30))
    body = {"instances": [{"age": 1, "income": 1}, {"age": 3, "income": 1}]}
    told = {
        "live": await client.is_server_live(url),
        "ready": await client.is_model_ready(url, model),
        "predict": await client.infer(url, body, model_name=model),
    }
    for name, call in {
        "unknown": client.infer(url, body, model_name="nobody"),
        "malformed": client.infer(url, {"instances": 1}, model_name=model),
        "explain": client.explain(url, model_name=model, data=body),
    }.items():
        try:
            await call
            told[name] = "answered"
        except httpx.HTTPStatusError as error:
            told[name] = str(error)
    return told


def request_of(model: str, binary: bool) -> InferRequest:
    inputs = []
    for name, values in {"age": [[1.0], [3.0]], "income": [[1.0], [1.0]]}.items():
        tensor = InferInput(name, [2, 1], "FP32")
        tensor.set_data_from_numpy(np.array(values, np.float32), binary_data=binary)
        inputs.append(tensor)
    return InferRequest(model_name=model, infer_inputs=inputs)


async def second_protocol_grpc(address: str, model: str, binary: bool) -> dict:
    client = InferenceGRPCClient(address, timeout=30)
    answer = await client.infer(request_of(model, binary))
    told = {
        "live": await client.is_server_live(),
        "server_ready": await client.is_server_ready(),
        "ready": await client.is_model_ready(model),
        "outputs": {output.name: output.as_numpy().tolist() for output in answer.outputs},
    }
    await client.close()
    return told


async def second_protocol(url: str, model: str, binary: bool) -> dict:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=1, timeout=30))
    answer = await client.infer(url, request_of(model, binary), model_name=model)
    outputs = {output.name: output.as_numpy().tolist() for output in answer.outputs}
    return {
        "live": await client.is_server_live(url),
        "server_ready": await client.is_server_ready(url),
        "ready": await client.is_model_ready(url, model),
        "outputs": outputs,
    }


async def main(url: str, grpc: str, model: str) -> None:
    told = {
        "v1": await first_protocol(url, model),
        "v2": await second_protocol(url, model, binary=False),
        "v2_binary": await second_protocol(url, model, binary=True),
        "v2_grpc": await second_protocol_grpc(grpc, model, binary=False),
        "v2_grpc_binary": await second_protocol_grpc(grpc, model, binary=True),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
