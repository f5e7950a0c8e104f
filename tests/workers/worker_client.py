# SPDX-License-Identifier: Apache-2.0
"""The server's end of the conversation with a Python worker, for tests of the worker alone."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import pathlib
import socket
import struct
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent / "python"
sys.path.insert(0, str(ROOT))

from slipway_worker import wire  # noqa: E402 - the path is set above

TIMEOUT_S = 120
START = "import sys; sys.path[0] = sys.argv[1]; from slipway_worker.main import main; main()"


class WorkerError(Exception):
    def __init__(self, told: dict):
        super().__init__(f"{told['code']} {told['reason']}: {told['message']}")
        self.told = told


class WorkerClient:
    def __init__(self, path: pathlib.Path, config: dict | None = None, parameters: dict | None = None):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket = ours
        self.socket.settimeout(TIMEOUT_S)
        self.segments: dict[int, mmap.mmap] = {}
        self.input = 0
        self.room = 0
        self.kept = False

        def give() -> None:
            os.dup2(theirs.fileno(), 3)

        self.process = subprocess.Popen(
            [sys.executable, "-B", "-s", "-c", START, str(ROOT)],
            preexec_fn=give,
            pass_fds=(3,),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        theirs.close()
        folder = path if path.is_dir() else path.parent
        source = {
            "path": str(path),
            "folder": str(folder),
            "name": "m",
            "version": "1",
            "parameters": parameters or {},
            "config": {"inputs": [], "outputs": [], "decoupled": False, **(config or {})},
            "max_batch_rows": 128,
            "instances": 1,
            "threads": 1,
            "network": False,
        }
        self._send(wire.LOAD, rest=json.dumps(source).encode())
        kind, _, _, rest = self._receive()
        if kind == wire.ERROR:
            self.close()
            raise WorkerError(rest)
        assert kind == wire.READY
        self.description = rest

    def close(self) -> str:
        self.socket.close()
        output, _ = self.process.communicate(timeout=TIMEOUT_S)
        for segment in self.segments.values():
            with contextlib.suppress(BufferError):
                segment.close()
        return output

    def _send(self, kind: int, table: bytes = b"", first: int = 0, second: int = 0, rest: bytes = b"") -> None:
        self.socket.sendall(wire.HEAD.pack(kind, len(table), first, second) + table + rest)

    def _receive(self):
        while True:
            packet = self.socket.recv(wire.MOST_BYTES)
            if not packet:
                raise EOFError(self.close())
            kind, size, first, second = wire.HEAD.unpack_from(packet)
            table = packet[16 : 16 + size]
            if kind == wire.GROW:
                self.room = self._segment(int.from_bytes(table, "little"))
                self._send(wire.MORE, first=self.room)
                continue
            rest = json.loads(packet[16 + size :]) if len(packet) > 16 + size else {}
            if kind in (wire.ANSWER, wire.END, wire.ERROR):
                self.kept = bool(second & wire.KEPT)
                if self.kept:
                    self._send(wire.FORGET, first=self.input)
                    self.input = 0
            return kind, table, first, rest

    def _segment(self, size: int) -> int:
        number = len(self.segments) + 1
        descriptor = os.memfd_create("test")
        os.ftruncate(descriptor, size)
        self.segments[number] = mmap.mmap(descriptor, size)
        self._send(wire.SEGMENT, struct.pack("<Q", size), number)
        socket.send_fds(self.socket, [b"x"], [descriptor])
        os.close(descriptor)
        return number

    def _ask(self, kind: int, inputs: dict[str, np.ndarray], rest: dict) -> None:
        tensors, at, contents = [], 0, []
        for name, value in inputs.items():
            array = np.asarray(value)
            if array.dtype.kind in "OUS":
                code, blob = wire.BYTES, wire.packed_strings(array.astype(object))
            else:
                code, blob = wire.CODE_OF[array.dtype], array.tobytes()
            tensors.append((name, code, array.shape, at, len(blob)))
            contents.append((at, blob))
            at += -(-len(blob) // wire.ALIGN) * wire.ALIGN
        if not self.input or len(self.segments[self.input]) < at:
            self.input = self._segment(max(at, 65536))
        for offset, blob in contents:
            self.segments[self.input][offset : offset + len(blob)] = blob
        self._send(kind, wire.packed_table(tensors), self.input, self.room, json.dumps(rest).encode() if rest else b"")

    def _outputs(self, table: bytes, number: int) -> dict[str, np.ndarray]:
        found = {}
        for name, code, shape, offset, _ in wire.read_table(table):
            count = int(np.prod(shape))
            if code == wire.BYTES:
                found[name] = wire.strings_at(self.segments[number], offset, count, shape)
            elif count == 0:
                found[name] = np.zeros(shape, wire.DTYPES[code])
            else:
                array = np.frombuffer(self.segments[number], wire.DTYPES[code], count, offset)
                found[name] = array.reshape(shape).copy()
        return found

    def run(self, inputs: dict, **rest) -> dict[str, np.ndarray]:
        self._ask(wire.RUN, inputs, rest)
        kind, table, number, told = self._receive()
        if kind == wire.ERROR:
            raise WorkerError(told)
        assert kind == wire.ANSWER
        return self._outputs(table, number)

    def stream(self, inputs: dict, stop_after: int = 0, **rest) -> list[dict[str, np.ndarray]]:
        self._ask(wire.STREAM, inputs, rest)
        parts = []
        while True:
            kind, table, number, told = self._receive()
            if kind == wire.ERROR:
                raise WorkerError(told)
            if kind == wire.END:
                return parts
            parts.append(self._outputs(table, number))
            self._send(wire.MORE, first=self.room, second=1 if len(parts) == stop_after else 0)
