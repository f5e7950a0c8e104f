# SPDX-License-Identifier: Apache-2.0
"""What a `model.py` of Triton's Python backend imports, over one request of the worker. Names are Triton's."""

from __future__ import annotations

import json
import struct
import sys

import numpy as np

TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_START = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = 2
TRITONSERVER_MEMORY_CPU = 0
TRITONSERVER_MEMORY_GPU = 2

_STRING_TYPES = {
    "TYPE_BOOL": np.bool_,
    "TYPE_UINT8": np.uint8,
    "TYPE_UINT16": np.uint16,
    "TYPE_UINT32": np.uint32,
    "TYPE_UINT64": np.uint64,
    "TYPE_INT8": np.int8,
    "TYPE_INT16": np.int16,
    "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64,
    "TYPE_FP16": np.float16,
    "TYPE_FP32": np.float32,
    "TYPE_FP64": np.float64,
    "TYPE_STRING": np.object_,
}
_NUMBERS = {name: number for number, name in enumerate(_STRING_TYPES, 1)}


class TritonModelException(Exception):  # noqa: N818 - Triton's name
    pass


class TritonError(Exception):
    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG, UNAVAILABLE, UNSUPPORTED, ALREADY_EXISTS, CANCELLED = range(8)

    def __init__(self, message: str, code: int = 1):
        super().__init__(message)
        self._message, self._code = message, code

    def message(self) -> str:
        return self._message

    def code(self) -> int:
        return self._code


class Tensor:
    def __init__(self, name: str, array: np.ndarray):
        self._name, self._array = name, np.asarray(array)

    @classmethod
    def from_dlpack(cls, name: str, value) -> Tensor:
        return cls(name, np.from_dlpack(value))

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> np.ndarray:
        return self._array

    def shape(self) -> list[int]:
        return list(self._array.shape)

    def triton_dtype(self) -> int:
        return numpy_to_triton_type(self._array.dtype.type)

    def is_cpu(self) -> bool:
        return True

    def to_dlpack(self):
        return self._array.__dlpack__()

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class InferenceResponse:
    def __init__(self, output_tensors=None, error: TritonError | str | None = None):
        self._outputs = list(output_tensors or [])
        self._error = TritonError(error) if isinstance(error, str) else error

    def output_tensors(self) -> list[Tensor]:
        return self._outputs

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error


class ResponseSender:
    def __init__(self, sent: list):
        self._sent, self._final = sent, False

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        if self._final:
            raise TritonModelException("the response sender was closed by an earlier final flag")
        if response is not None:
            self._sent.append(response)
        self._final = bool(flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def is_cancelled(self) -> bool:
        return False


class InferenceRequest:
    def __init__(
        self,
        model_name: str = "",
        inputs=None,
        requested_output_names=None,
        correlation_id=0,
        flags: int = 0,
        parameters=None,
        request_id: str = "",
        **_,
    ):
        self._model_name, self._inputs = model_name, list(inputs or [])
        self._outputs, self._correlation_id, self._flags = list(requested_output_names or []), correlation_id, flags
        self._parameters, self._request_id = dict(parameters or {}), request_id
        self._sent: list[InferenceResponse] = []

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def requested_output_names(self) -> list[str]:
        return self._outputs

    def correlation_id(self):
        return self._correlation_id

    def request_id(self) -> str:
        return self._request_id

    def flags(self) -> int:
        return self._flags

    def set_flags(self, flags: int) -> None:
        self._flags = flags

    def parameters(self) -> str:
        return json.dumps(self._parameters)

    def priority(self) -> int:
        return 0

    def timeout(self) -> int:
        return 0

    def is_cancelled(self) -> bool:
        return False

    def get_response_sender(self) -> ResponseSender:
        return ResponseSender(self._sent)

    def exec(self, decoupled: bool = False):
        raise TritonModelException(
            f"calling model '{self._model_name}' from inside a model is not supported: make an ensemble of the two"
        )

    async def async_exec(self, decoupled: bool = False):
        self.exec(decoupled)


class ModelConfig:
    """What `auto_complete_config` fills in."""

    def __init__(self, config: dict | None = None):
        self._config = config or {}

    def as_dict(self) -> dict:
        return self._config

    def _add(self, side: str, tensor: dict) -> None:
        if not {"name", "data_type", "dims"} <= tensor.keys():
            raise ValueError(f"an {side} has a name, a data_type and dims, got {sorted(tensor)}")
        listed = self._config.setdefault(side, [])
        if all(one["name"] != tensor["name"] for one in listed):
            listed.append(dict(tensor))

    def add_input(self, tensor: dict) -> None:
        self._add("input", tensor)

    def add_output(self, tensor: dict) -> None:
        self._add("output", tensor)

    def set_max_batch_size(self, size: int) -> None:
        self._config["max_batch_size"] = size

    def set_dynamic_batching(self) -> None:
        self._config.setdefault("dynamic_batching", {})

    def set_model_transaction_policy(self, policy: dict) -> None:
        self._config["model_transaction_policy"] = dict(policy)


class Logger:
    INFO, WARNING, ERROR, VERBOSE = "info", "warning", "error", "verbose"

    @staticmethod
    def log(message: str, level: str = "info") -> None:
        print(f"{level}: {message}", file=sys.stderr)

    @classmethod
    def log_info(cls, message: str) -> None:
        cls.log(message, cls.INFO)

    @classmethod
    def log_warn(cls, message: str) -> None:
        cls.log(message, cls.WARNING)

    @classmethod
    def log_error(cls, message: str) -> None:
        cls.log(message, cls.ERROR)

    @classmethod
    def log_verbose(cls, message: str) -> None:
        cls.log(message, cls.VERBOSE)


def get_input_tensor_by_name(request: InferenceRequest, name: str) -> Tensor | None:
    return next((tensor for tensor in request.inputs() if tensor.name() == name), None)


def get_output_tensor_by_name(response: InferenceResponse, name: str) -> Tensor | None:
    return next((tensor for tensor in response.output_tensors() if tensor.name() == name), None)


def get_input_config_by_name(model_config: dict, name: str) -> dict | None:
    return next((one for one in model_config.get("input", []) if one["name"] == name), None)


def get_output_config_by_name(model_config: dict, name: str) -> dict | None:
    return next((one for one in model_config.get("output", []) if one["name"] == name), None)


def using_decoupled_model_transaction_policy(model_config: dict) -> bool:
    return bool(model_config.get("model_transaction_policy", {}).get("decoupled"))


def triton_string_to_numpy(name: str):
    return _STRING_TYPES[name]


def triton_to_numpy_type(number: int):
    return next(_STRING_TYPES[name] for name, value in _NUMBERS.items() if value == number)


def numpy_to_triton_type(kind) -> int:
    kind = np.dtype(kind).type
    if kind in (np.str_, np.bytes_):
        kind = np.object_
    return next(_NUMBERS[name] for name, value in _STRING_TYPES.items() if value is kind)


def serialize_byte_tensor(array: np.ndarray) -> np.ndarray:
    parts = []
    for value in array.ravel():
        text = value if isinstance(value, bytes) else str(value).encode()
        parts.append(struct.pack("<I", len(text)) + text)
    return np.frombuffer(b"".join(parts), dtype=np.uint8)


def deserialize_bytes_tensor(encoded) -> np.ndarray:
    encoded, at, values = bytes(encoded), 0, []
    while at < len(encoded):
        (size,) = struct.unpack_from("<I", encoded, at)
        values.append(encoded[at + 4 : at + 4 + size])
        at += 4 + size
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made
