# SPDX-License-Identifier: Apache-2.0
"""The gRPC server under grpcio: compression, reflection, limits, callers that go away."""

from __future__ import annotations

import grpc
import pytest
from slipway_server import Server

HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
LIST_SERVICES = b"\x3a\x00"  # ServerReflectionRequest.list_services = ""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    environment = {
        "SLIPWAY_GRPC_MAX_MESSAGE_BYTES": "4096",
        "SLIPWAY_GRPC_MAX_METADATA_BYTES": "2048",
        "SLIPWAY_GRPC_COMPRESSION": "gzip",
    }
    running = Server(tmp_path_factory.mktemp("grpc"), environment=environment).start()
    yield running
    assert running.stop() == 0, running.log_tail()


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server.grpc) as opened:
        yield opened


def code_of(call) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value.code()


@pytest.mark.parametrize("how", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_takes_compressed_messages(channel, how):
    padding = b"\x12\x84\x07" + b"x" * 900  # an unknown field, so that there is something to compress
    assert channel.unary_unary(HEALTH)(padding, compression=how, timeout=10) == SERVING


def test_lists_its_services(channel):
    answers = channel.stream_stream(REFLECTION)(iter([LIST_SERVICES]), timeout=10)
    assert b"inference.GRPCInferenceService" in b"".join(answers)


def test_holds_its_limits(channel):
    large = b"\x12\xa0\x1f" + b"x" * 4000 + b"\x12\xa0\x1f" + b"x" * 4000
    assert code_of(lambda: channel.unary_unary(HEALTH)(large, timeout=10)) == grpc.StatusCode.RESOURCE_EXHAUSTED
    packed = lambda: channel.unary_unary(HEALTH)(large, compression=grpc.Compression.Gzip, timeout=10)  # noqa: E731
    assert code_of(packed) == grpc.StatusCode.RESOURCE_EXHAUSTED
    metadata = [("x-large", "y" * 10_000)]
    refused = code_of(lambda: channel.unary_unary(HEALTH)(b"", metadata=metadata, timeout=10))
    assert refused == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert channel.unary_unary(HEALTH)(b"", timeout=10) == SERVING


def test_a_thousand_calls_at_a_time(channel):
    calls = [channel.unary_unary(HEALTH).future(b"", timeout=30) for _ in range(1000)]
    assert all(call.result() == SERVING for call in calls)


def test_callers_that_go_away_leave_nothing_behind(server):
    for _ in range(20):
        with grpc.insecure_channel(server.grpc) as gone:
            watch = gone.unary_stream("/grpc.health.v1.Health/Watch")(b"")
            assert next(watch) == SERVING
    with grpc.insecure_channel(server.grpc) as channel:
        assert channel.unary_unary(HEALTH)(b"", timeout=10) == SERVING
