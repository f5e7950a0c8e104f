# SPDX-License-Identifier: Apache-2.0
"""The conversation with the server: small messages over a socket, tensors in memory that both map.

One message is one packet: a head of four numbers, a table of tensors, and a JSON object that may be absent. The server
speaks first and waits for the answer, so there is one request at a time. src/inference/python/wire.h is the other end.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import socket
import struct
import sys

import numpy as np

HEAD = struct.Struct("<IIII")  # kind, bytes of the table, segment, flags or second segment
TENSOR = struct.Struct("<BBHIQQ")  # type, rank, bytes of the name, unused, offset, bytes; then dims (i64) and name
MOST_BYTES = 128 * 1024  # of one message
MOST_PLANS = 512  # remembered tables a segment
ALIGN = 64

# Server to worker.
LOAD, RUN, STREAM, SEGMENT, MORE, FORGET = 1, 2, 3, 4, 5, 6
# Worker to server.
READY, ANSWER, PART, END, ERROR, GROW = 1, 2, 3, 4, 5, 6
# Flags of ANSWER, PART and END.
KEPT = 1  # the model still holds an input: the segment must not be written again

TYPES = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "BF16": "<u2",
    "FP32": "<f4",
    "FP64": "<f8",
    "BYTES": "O",
}  # in the order of the server's codes
TYPE_NAMES = list(TYPES)
BF16, BYTES = TYPE_NAMES.index("BF16"), TYPE_NAMES.index("BYTES")
DTYPES = [np.dtype(name) for name in TYPES.values()]
try:  # numpy itself has no bfloat16
    import ml_dtypes

    DTYPES[BF16] = np.dtype(ml_dtypes.bfloat16)
except ImportError:
    pass
CODE_OF = {dtype: code for code, dtype in reversed(list(enumerate(DTYPES)))}


class Failure(Exception):  # noqa: N818 - it is what the caller is told
    """What the caller is told: one of gRPC's codes by name, a stable reason, a sentence."""

    def __init__(self, code: str, reason: str, message: str, recycle: bool = False):
        super().__init__(message)
        self.code, self.reason, self.message, self.recycle = code, reason, message, recycle


class Segment:
    """Memory shared with the server."""

    def __init__(self, descriptor: int, size: int):
        self.memory = mmap.mmap(descriptor, size)
        self.size = size
        self.plans: dict[bytes, Plan] = {}  # a table that came before -> its arrays
        self.layouts: dict[tuple, tuple] = {}  # outputs that went before -> where they went


def packed_table(tensors: list[tuple[str, int, tuple, int, int]]) -> bytes:
    """`tensors`: name, type, shape, offset, bytes."""
    parts = []
    for name, code, shape, offset, size in tensors:
        text = name.encode()
        parts.append(TENSOR.pack(code, len(shape), len(text), 0, offset, size))
        parts.append(struct.pack(f"<{len(shape)}q", *shape))
        parts.append(text)
    return b"".join(parts)


def read_table(table: bytes) -> list[tuple[str, int, tuple, int, int]]:
    tensors, at = [], 0
    while at < len(table):
        code, rank, name_bytes, _, offset, size = TENSOR.unpack_from(table, at)
        at += TENSOR.size
        shape = struct.unpack_from(f"<{rank}q", table, at)
        at += 8 * rank
        tensors.append((table[at : at + name_bytes].decode(), code, shape, offset, size))
        at += name_bytes
    return tensors


def strings_at(memory, offset: int, count: int, shape: tuple) -> np.ndarray:
    """Strings lie as count + 1 places (i64) and then their bytes, one after the other."""
    places = np.frombuffer(memory, "<i8", count + 1, offset).tolist()
    start = offset + 8 * (count + 1)
    blob = memory[start : start + places[-1]]
    out = np.empty(count, dtype=object)
    for i in range(count):
        out[i] = blob[places[i] : places[i + 1]]
    return out.reshape(shape)


def as_bytes(value) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if value is None:
        return b""
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, default=str).encode()
    return str(value).encode()


def packed_strings(array: np.ndarray) -> bytes:
    values = [as_bytes(value) for value in array.ravel().tolist()]
    places = np.zeros(len(values) + 1, dtype="<i8")
    if values:
        np.cumsum([len(value) for value in values], out=places[1:])
    return places.tobytes() + b"".join(values)


def tensor_array(value) -> np.ndarray:
    """Any answer of a model as an array of a type that travels."""
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    kind = array.dtype.kind
    if kind == "O":
        return number_array(array)
    if kind in "USmM":
        return array.astype(str).astype(object) if kind in "mM" else array.astype(object)
    if array.dtype in CODE_OF:
        return array
    if kind in "fiu" and array.dtype.newbyteorder("<") in CODE_OF:
        return array.astype(array.dtype.newbyteorder("<"))
    if kind == "f":
        return array.astype("<f8")
    raise Failure("INTERNAL", "model_raised", f"an answer of type {array.dtype} cannot be sent to the caller")


def number_array(array: np.ndarray) -> np.ndarray:
    """Numbers that pandas or a list kept as objects; anything else stays as it is and goes as text."""
    values = array.ravel().tolist()
    if values and all(isinstance(value, (int, float, np.number)) or value is None for value in values):
        if all(isinstance(value, (bool, np.bool_)) for value in values):
            return array.astype(bool)
        if all(isinstance(value, (int, np.integer)) for value in values):
            return array.astype("<i8")
        return array.astype("<f8")
    return array


class Plan:
    """The arrays of one table. `roots` lie over the memory itself: every view that numpy makes holds its root."""

    def __init__(self, arrays: list[tuple[str, int, np.ndarray]], roots: list[np.ndarray], lasting: bool):
        self.arrays, self.roots = arrays, roots
        self.lasting = lasting  # strings are copies of what lay there: good for one request
        self.counts = self._counts()

    def _counts(self) -> list[int]:
        counts = [sys.getrefcount(root) for root in self.roots]
        counts.extend([sys.getrefcount(entry[2]) for entry in self.arrays])
        return counts

    def held(self) -> bool:
        return self._counts() != self.counts


class Channel:
    def __init__(self, descriptor: int):
        self.socket = socket.socket(fileno=descriptor)
        self.segments: dict[int, Segment] = {}
        self.buffer = bytearray(MOST_BYTES)
        self.view = memoryview(self.buffer)
        self.output_types: dict[str, np.dtype] = {}  # as the model is described
        self.kept = False
        os.register_at_fork(after_in_child=self.socket.close)  # else the server would not see this one die

    def receive(self) -> tuple[int, bytes, int, int, int]:
        """Kind, table, segment, second segment, bytes of the whole. Announced segments are mapped on the way."""
        while True:
            size = self.socket.recv_into(self.buffer)
            if size == 0:
                raise SystemExit(0)  # the server has gone
            kind, table_bytes, first, second = HEAD.unpack_from(self.buffer)
            if kind == SEGMENT:
                self._map(first, int.from_bytes(self.buffer[16:24], "little"))
            elif kind == FORGET:
                self.segments.pop(first, None)
            else:
                return kind, bytes(self.view[16 : 16 + table_bytes]), first, second, size

    def rest(self, table_bytes: int, size: int) -> dict:
        """The JSON of the message that came last."""
        return json.loads(self.buffer[16 + table_bytes : size]) if size > 16 + table_bytes else {}

    def _map(self, number: int, size: int) -> None:
        _, descriptors, _, _ = socket.recv_fds(self.socket, 1, 1)
        try:
            self.segments[number] = Segment(descriptors[0], size)
        finally:
            os.close(descriptors[0])

    def inputs(self, table: bytes, number: int) -> Plan:
        """What the table names: views of the shared memory, made anew only for a table not seen before."""
        if not table:
            return Plan([], [], False)
        segment = self.segments[number]
        plan = segment.plans.get(table)
        if plan is not None:
            return plan
        arrays, roots, has_strings = [], [], False
        for name, code, shape, offset, _ in read_table(table):
            count = math.prod(shape)
            if code == BYTES:
                has_strings = True
                arrays.append((name, code, strings_at(segment.memory, offset, count, shape)))
            elif count == 0:
                arrays.append((name, code, np.zeros(shape, DTYPES[code])))
            else:
                roots.append(np.frombuffer(segment.memory, DTYPES[code], count, offset))
                arrays.append((name, code, roots[-1].reshape(shape)))
        plan = Plan(arrays, roots, not has_strings)
        if plan.lasting:
            if len(segment.plans) >= MOST_PLANS:
                segment.plans.clear()
            segment.plans[table] = plan
        return plan

    def note_kept(self, plan: Plan, table: bytes, number: int) -> None:
        """When the model is done: does anything still look into the memory that the server will write again?"""
        self.kept = plan.held()
        if self.kept:
            self.segments[number].plans.pop(table, None)

    def send(self, kind: int, body: bytes = b"", first: int = 0, second: int = 0, rest: bytes = b"") -> None:
        self.socket.sendall(HEAD.pack(kind, len(body), first, second) + body + rest)

    def send_json(self, kind: int, value: dict, flags: int = 0) -> None:
        text = json.dumps(value).encode()
        limit = MOST_BYTES - HEAD.size
        if len(text) > limit:
            raise Failure(
                "INTERNAL",
                "message_too_large",
                f"what the model says of itself takes {len(text)} bytes, at most {limit}",
            )
        self.send(kind, second=flags, rest=text)

    def send_failure(self, failure: Failure) -> None:
        message = failure.message.encode(errors="replace")[: MOST_BYTES // 8].decode(errors="replace")
        told = {"code": failure.code, "reason": failure.reason, "message": message, "recycle": failure.recycle}
        self.send_json(ERROR, told, KEPT if self.kept else 0)

    def put_outputs(self, outputs: dict[str, np.ndarray], number: int) -> tuple[bytes, int]:
        """Copies the arrays once, into the shared memory, and lets go of them: their table, and the segment."""
        segment = self.segments.get(number)
        try:
            signature = tuple([(name, array.dtype.num, array.shape) for name, array in outputs.items()])
        except AttributeError:
            signature = ()
        layout = segment.layouts.get(signature) if segment is not None else None
        if layout is None:
            return self._put_slowly(outputs, number, signature)
        table, views = layout
        for view, array in zip(views, outputs.values(), strict=True):
            view[...] = array
        outputs.clear()
        return table, number

    def _put_slowly(self, outputs: dict, number: int, signature: tuple) -> tuple[bytes, int]:
        tensors, contents, at = [], [], 0
        for name, value in outputs.items():
            array = self._as_described(name, tensor_array(value))
            code = BYTES if array.dtype.kind == "O" else CODE_OF[array.dtype]
            content = packed_strings(array) if code == BYTES else array
            size = len(content) if code == BYTES else array.nbytes
            tensors.append((str(name), code, array.shape, at, size))
            contents.append(content)
            at += -(-size // ALIGN) * ALIGN
        table = packed_table(tensors)
        if HEAD.size + len(table) > MOST_BYTES // 2:
            raise Failure("INTERNAL", "too_many_outputs", f"{len(outputs)} outputs do not fit one answer")
        number = self._room(at, number)
        segment = self.segments.get(number)
        views = []
        for (_, code, shape, offset, size), content in zip(tensors, contents, strict=True):
            if code == BYTES:
                segment.memory[offset : offset + size] = content
            else:
                views.append(self._view(segment, code, shape, offset))
                views[-1][...] = content
        if signature and segment is not None and len(views) == len(tensors):
            if len(segment.layouts) >= MOST_PLANS:
                segment.layouts.clear()
            segment.layouts[signature] = (table, views)
        outputs.clear()
        return table, number

    def send_answer(self, kind: int, table: bytes, number: int) -> None:
        self.send(kind, table, number, KEPT if self.kept else 0)

    @staticmethod
    def _view(segment: Segment | None, code: int, shape: tuple, offset: int) -> np.ndarray:
        count = math.prod(shape)
        if count == 0:
            return np.zeros(shape, DTYPES[code])
        return np.frombuffer(segment.memory, DTYPES[code], count, offset).reshape(shape)

    def _as_described(self, name: str, array: np.ndarray) -> np.ndarray:
        wanted = self.output_types.get(name)
        if wanted is None or wanted == array.dtype or array.dtype.kind == "O":
            return array
        if wanted.kind == "O":
            return array.astype(str).astype(object)
        if np.can_cast(array.dtype, wanted, "same_kind"):
            return array.astype(wanted)
        return array

    def _room(self, size: int, number: int) -> int:
        """A segment of at least `size` bytes: the one that the server offered, or a larger one that it makes now."""
        segment = self.segments.get(number)
        if size == 0 or (segment is not None and segment.size >= size):
            return number
        self.send(GROW, size.to_bytes(8, "little"))
        kind, _, first, _, length = self.receive()
        if kind != MORE:
            raise SystemExit(1)
        refusal = self.rest(0, length)
        if refusal:
            raise Failure("RESOURCE_EXHAUSTED", "answer_too_large", refusal["message"])
        return first
