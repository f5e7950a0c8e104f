# SPDX-License-Identifier: Apache-2.0
"""TLS over HTTP and gRPC with Python's ssl, requests, curl and grpcio: certificates, reload, refusals."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

import grpc
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from slipway_server import BINARY, Server

HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"


class Authority:
    """Signs certificates and writes them as PEM files."""

    def __init__(self, folder, name: str):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._certificate(self.name, self.key.public_key(), authority=True)
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _certificate(self, subject, public_key, authority: bool):
        now = datetime.datetime.now(datetime.UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def issue(self, name: str):
        """The paths of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._certificate(subject, key.public_key(), authority=False)
        paths = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
        return paths


def settings(certificate, key, **more: str) -> dict[str, str]:
    pairs = {"TLS_CERTIFICATE": certificate, "TLS_KEY": key, "TLS_RELOAD_INTERVAL": "50ms"}
    both = {f"SLIPWAY_{server}_{name}": str(value) for server in ("HTTP", "GRPC") for name, value in pairs.items()}
    return {**both, **{f"SLIPWAY_{name}": value for name, value in more.items()}}


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "pki", "authority")


@pytest.fixture
def live(tmp_path, authority):
    """A server whose certificate lies in live.crt and live.key."""
    first = authority.issue("first")
    paths = tmp_path / "live.crt", tmp_path / "live.key"
    for path, live_path in zip(first, paths, strict=True):
        shutil.copy(path, live_path)
    environment = settings(*paths, HTTP_HEADER_TIMEOUT="1s", GRPC_HANDSHAKE_TIMEOUT="1s")
    server = Server(tmp_path / "data", environment=environment, tls={"verify": str(authority.path)})
    server.start()
    yield server, paths
    server.stop()


def shown_by_http(server, authority) -> str:
    host, port = server.http.split(":")
    context = ssl.create_default_context(cafile=str(authority.path))
    plain = socket.create_connection((host, int(port)), timeout=10)
    with plain, context.wrap_socket(plain, server_hostname="localhost") as secure:
        return dict(pair[0] for pair in secure.getpeercert()["subject"])["commonName"]


def health(server, authority, certificate=None, key=None) -> bytes:
    parts = [path.read_bytes() if path else None for path in (authority.path, key, certificate)]
    with grpc.secure_channel(server.grpc, grpc.ssl_channel_credentials(*parts)) as channel:
        return channel.unary_unary(HEALTH)(b"", timeout=10)


def shown_by_grpc(server, authority) -> str:
    host, port = server.grpc.split(":")
    context = ssl.create_default_context(cafile=str(authority.path))
    context.set_alpn_protocols(["h2"])
    plain = socket.create_connection((host, int(port)), timeout=10)
    with plain, context.wrap_socket(plain, server_hostname="localhost") as secure:
        return dict(pair[0] for pair in secure.getpeercert()["subject"])["commonName"]


def test_real_clients_speak_tls(live, authority):
    server, _ = live
    with requests.Session() as session:
        for _ in range(3):
            assert (
                session.get(f"{server.url}/v2/health/live", verify=str(authority.path), timeout=10).status_code == 200
            )
    curl = ["curl", "-sS", "--cacert", str(authority.path), "--max-time", "10", f"{server.url}/v2"]
    for version in ("--tlsv1.2", "--tlsv1.3"):
        done = subprocess.run([*curl, version, "-w", "%{http_version}"], capture_output=True, text=True, check=True)
        assert '"name":"slipway"' in done.stdout
        assert done.stdout.endswith("1.1")
    assert health(server, authority) == SERVING


def test_large_bodies_go_both_ways(live, authority):
    server, _ = live
    answer = requests.post(
        f"{server.url}/v2/models/none/infer", data=b"x" * 20_000_000, verify=str(authority.path), timeout=30
    )
    assert answer.status_code in (400, 404)
    page = requests.get(f"{server.url}/metrics", verify=str(authority.path), timeout=10)
    assert page.status_code == 200
    assert len(page.content) > 1000


def test_a_new_certificate_is_shown_without_dropping_anybody(live, authority):
    server, (certificate, key) = live
    host, port = server.http.split(":")
    assert shown_by_http(server, authority) == shown_by_grpc(server, authority) == "first"
    context = ssl.create_default_context(cafile=str(authority.path))
    channel = grpc.secure_channel(server.grpc, grpc.ssl_channel_credentials(authority.path.read_bytes()))
    plain = socket.create_connection((host, int(port)), timeout=10)
    with plain, channel, context.wrap_socket(plain, server_hostname="localhost") as kept:
        ask = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        kept.sendall(ask)
        assert kept.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert channel.unary_unary(HEALTH)(b"", timeout=10) == SERVING
        second = authority.issue("second")
        for path, live_path in zip(second, (certificate, key), strict=True):
            shutil.copy(path, live_path)
        server.wait_for(lambda: shown_by_http(server, authority) == "second")
        server.wait_for(lambda: shown_by_grpc(server, authority) == "second")
        kept.sendall(ask)
        assert kept.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert channel.unary_unary(HEALTH)(b"", timeout=10) == SERVING


def test_a_broken_certificate_changes_nothing_but_the_log(live, authority):
    server, (certificate, key) = live
    certificate.write_text("nonsense")
    server.wait_for(lambda: "the new certificate cannot be used" in server.log_tail())
    assert shown_by_http(server, authority) == shown_by_grpc(server, authority) == "first"
    second = authority.issue("second")
    shutil.copy(second[0], certificate)  # its key is not there yet
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(lambda: "is not the certificate's key" in server.log_tail())
    assert shown_by_http(server, authority) == shown_by_grpc(server, authority) == "first"
    shutil.copy(second[1], key)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(lambda: shown_by_http(server, authority) == "second")
    assert health(server, authority) == SERVING


def test_handshakes_that_stall_are_cut_off(live):
    server, _ = live
    for address in (server.http, server.grpc):
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as silent:
            begun = time.monotonic()
            silent.sendall(b"\x16\x03\x01\x02\x00\x01\x00")  # the start of a hello
            while silent.recv(4096):
                pass
            assert time.monotonic() - begun < 8


def test_who_does_not_fit_is_refused(live, authority):
    server, _ = live
    host, port = server.http.split(":")
    plain = requests.get(f"http://{server.http}/v2", timeout=10)
    assert plain.status_code == 400
    assert "HTTPS" in plain.text
    old = ssl.create_default_context(cafile=str(authority.path))
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    only_http2 = ssl.create_default_context(cafile=str(authority.path))
    only_http2.set_alpn_protocols(["h2"])
    for context in (old, only_http2):
        with socket.create_connection((host, int(port)), timeout=10) as raw, pytest.raises(ssl.SSLError):
            context.wrap_socket(raw, server_hostname="localhost")
    assert requests.get(f"{server.url}/v2", verify=str(authority.path), timeout=10).status_code == 200


def test_clients_show_certificates_when_asked(tmp_path, authority):
    certificate, key = authority.issue("server")
    strangers = Authority(tmp_path / "strangers", "strangers")
    client, stranger = authority.issue("client"), strangers.issue("stranger")
    ca = str(authority.path)
    environment = settings(certificate, key, HTTP_TLS_CLIENT_CA=ca, GRPC_TLS_CLIENT_CA=ca)
    trust = {"verify": ca}
    tls = {**trust, "cert": tuple(map(str, client))}
    server = Server(tmp_path / "data", environment=environment, tls=tls)
    server.start()
    try:
        good = requests.get(f"{server.url}/v2", timeout=10, cert=tuple(map(str, client)), **trust)
        assert good.status_code == 200
        for cert in (None, tuple(map(str, stranger))):
            with pytest.raises(requests.exceptions.ConnectionError):
                requests.get(f"{server.url}/v2", timeout=10, cert=cert, **trust)
        assert health(server, authority, *client) == SERVING
        for pair in ((None, None), stranger):
            with pytest.raises(grpc.RpcError) as refused:
                health(server, authority, *pair)
            assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    finally:
        server.stop()


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_settings_that_cannot_work_stop_the_start(tmp_path, authority, missing):
    certificate, key = authority.issue("server")
    broken = {"certificate": certificate, "key": key, missing: tmp_path / "nowhere.pem"}
    names = {f"SLIPWAY_HTTP_TLS_{name.upper()}": str(path) for name, path in broken.items()}
    command = [str(BINARY), "serve", "--data", str(tmp_path / "data"), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **names})
    assert done.returncode == 1
    assert f"http.tls.{missing}" in done.stderr
    assert "nowhere.pem" in done.stderr
