# SPDX-License-Identifier: Apache-2.0
"""Where alerts go: receivers that check what they get, a real Alertmanager, a real SMTP server, a command."""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import json
import shutil
import socket
import ssl
import subprocess
import threading

import pytest
import requests
import tiny_models
from http_receiver import HttpReceiver
from jsonschema import Draft202012Validator
from slipway_server import Server

ALWAYS = """
rules:
  - name: any
    kind: latency
    above: 1us
    least_requests: 1
    severity: critical
    labels: {team: risk}
    runbook: https://wiki.example/any
"""
NEVER = "rules: [{name: other, kind: latency, above: 1d}]\n"


class Receiver(HttpReceiver):
    """Answers `statuses` one after the other, then 202."""

    def __init__(self):
        self.statuses: list[int] = []
        self.got: list[dict] = []
        super().__init__("/hook")

    def answer(self, body: bytes) -> tuple[int, bytes]:
        self.got.append(json.loads(body))
        return self.statuses.pop(0) if self.statuses else 202, b""


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def serve(tmp_path):
    """Starts a server with settings that has answered a prediction; `fire` and `end` make and end an incident."""
    running = []

    def start(*settings: str, environment: dict | None = None) -> Server:
        options = [word for setting in settings for word in ("--set", setting)]
        server = Server(tmp_path / "data", *options, environment=environment).start()
        running.append(server)
        tiny_models.register(server.url, "tiny")
        for stage in ("Staging", "Production"):
            server.post("/api/v1/models/tiny/versions/1/transition", {"to": stage})
        server.wait_for(lambda: server.get("/api/v1/endpoints")["endpoints"], what="endpoint tiny")
        assert requests.post(f"{server.url}/predict/tiny", json={"age": 1, "income": 2}, timeout=10).ok
        return server

    yield start
    for server in running:
        server.kill()


def fire(server: Server) -> str:
    server.post("/api/v1/alerts/rules", {"text": ALWAYS})
    server.wait_for(lambda: server.get("/api/v1/alerts", state="firing")["alerts"], what="the alert")
    return server.get("/api/v1/alerts", state="firing")["alerts"][0]["id"]


def end(server: Server) -> None:
    server.post("/api/v1/alerts/rules", {"text": NEVER})


# As the published OpenAPI document of the Events API v2 has it.
EVENT = {
    "type": "object",
    "required": ["routing_key", "event_action"],
    "properties": {
        "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
        "client": {"type": "string"},
        "links": {"type": "array", "items": {"type": "object", "required": ["href"]}},
        "payload": {
            "type": "object",
            "required": ["summary", "source", "severity"],
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": {"type": "string", "minLength": 1},
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": {"type": "string", "format": "date-time"},
                "component": {"type": "string"},
                "class": {"type": "string"},
                "custom_details": {"type": "object"},
            },
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
    "if": {"properties": {"event_action": {"const": "trigger"}}},
    "then": {"required": ["payload"]},
    "else": {"required": ["dedup_key"]},
}


def test_pagerduty_gets_one_incident_through_failures_and_a_restart(serve, receiver):
    receiver.statuses = [429, 500]
    server = serve(f"alerts.pagerduty.url={receiver.url}", "alerts.pagerduty.routing_key_secret=" + "k" * 32)
    assert "k" * 32 not in json.dumps(server.get("/api/v1/config"))
    alert = fire(server)
    server.wait_for(lambda: len(receiver.got) >= 2, what="the first attempts")
    server.kill()
    server.start()
    server.wait_for(lambda: len(receiver.got) >= 3, what="the attempt that is taken")
    server.cli("alerts", "ack", alert)
    end(server)
    server.wait_for(lambda: receiver.got[-1]["event_action"] == "resolve", what="the end")
    for event in receiver.got:
        Draft202012Validator(EVENT).validate(event)
    assert [event["event_action"] for event in receiver.got] == ["trigger"] * 3 + ["acknowledge", "resolve"]
    assert {event["dedup_key"] for event in receiver.got} == {"slipway/" + alert}
    assert receiver.got[0]["payload"]["severity"] == "critical"


def test_a_receiver_that_refuses_is_not_asked_again(serve, receiver):
    receiver.statuses = [400]
    server = serve(f"alerts.pagerduty.url={receiver.url}", "alerts.pagerduty.routing_key_secret=" + "k" * 32)
    fire(server)
    server.wait_for(lambda: 'sink="pagerduty",outcome="rejected"' in metrics(server) or rejected(server))
    end(server)
    server.wait_for(lambda: len(receiver.got) >= 2, what="the end")
    assert [event["event_action"] for event in receiver.got] == ["trigger", "resolve"]


def metrics(server: Server) -> str:
    return requests.get(server.url + "/metrics", timeout=10).text


def rejected(server: Server) -> bool:
    lines = [line for line in metrics(server).splitlines() if "alert_deliveries_total" in line]
    return any('outcome="rejected"' in line and 'sink="pagerduty"' in line for line in lines)


def test_chats_get_their_forms_by_route(serve, receiver):
    routes = json.dumps([{"match": {"team": "risk"}, "sinks": ["slack", "teams"]}, {"sinks": []}])
    server = serve(
        f"alerts.slack.url={receiver.url}/slack", f"alerts.teams.url={receiver.url}/teams", f"alerts.routes={routes}"
    )
    fire(server)
    server.wait_for(lambda: len(receiver.got) >= 2, what="both messages")
    slack = next(body for body in receiver.got if "text" in body)
    teams = next(body for body in receiver.got if body.get("type") == "message")
    assert slack["text"] == "[FIRING] any on tiny (critical)"
    assert slack["attachments"][0]["blocks"][0]["text"]["type"] == "mrkdwn"
    card = teams["attachments"][0]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert card["content"]["type"] == "AdaptiveCard"
    assert {"title": "team", "value": "risk"} in card["content"]["body"][2]["facts"]


def test_a_command_gets_the_message_and_nothing_of_the_server(serve, tmp_path):
    script = tmp_path / "notify"
    script.write_text(f"#!/bin/sh\ncat >> {tmp_path}/got\nenv >> {tmp_path}/env\n")
    script.chmod(0o755)
    server = serve(f"alerts.command.argv={script}", environment={"A_SECRET_OF_THE_SERVER": "1"})
    alert = fire(server)
    got = tmp_path / "got"
    server.wait_for(lambda: got.exists() and got.read_text().endswith("\n"), what="the command")
    message = json.loads(got.read_text())
    assert (message["type"], message["data"]["id"]) == ("alert.firing", alert)
    environment = server.wait_for(lambda: "PATH" in (tmp_path / "env").read_text() and (tmp_path / "env").read_text())
    assert f"SLIPWAY_ALERT_ID={alert}" in environment
    assert "A_SECRET_OF_THE_SERVER" not in environment


@contextlib.contextmanager
def alertmanager(folder):
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    assert program, "prometheus-alertmanager is in deps/apt.txt"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = folder / "alertmanager.yml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\nglobal: {resolve_timeout: 5s}\n")
    options = [f"--config.file={config}", f"--storage.path={folder}/am", f"--web.listen-address={address}"]
    process = subprocess.Popen(
        [program, *options, "--cluster.listen-address="], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)


def test_a_real_alertmanager_hears_of_the_alert_until_it_ends(serve, tmp_path):
    with alertmanager(tmp_path) as url:
        server = serve(f"alerts.alertmanager.url={url}/", "alerts.alertmanager.repeat=1s")

        def heard() -> list[dict]:
            return requests.get(url + "/api/v2/alerts", timeout=5).json()

        fire(server)
        server.wait_for(heard, what="the alert in Alertmanager")
        alert = heard()[0]
        assert alert["labels"] == {
            "alertname": "any",
            "endpoint": "tiny",
            "service": "slipway",
            "severity": "critical",
            "team": "risk",
        }
        assert alert["annotations"]["runbook_url"] == "https://wiki.example/any"
        # Its patience is 5 s: it hears of the alert again and again.
        server.wait_for(lambda: heard()[0]["endsAt"] > alert["endsAt"], what="the next time")
        end(server)
        server.wait_for(lambda: not heard(), what="the end")


def test_an_alert_pauses_a_rollout_once_and_then_rests(serve):
    actions = {"tiny": {"on_alert": [{"rule": "any", "do": "pause_rollout", "cooldown": "1h"}]}}
    server = serve(f"policies={json.dumps(actions)}")
    tiny_models.register(server.url, "tiny", weights=(1.0, -1.1))
    server.post("/api/v1/models/tiny/versions/2/promote", {"force": True, "reason": "a test"})

    def acts(kind: str) -> list[dict]:
        return server.get("/api/v1/events", type_prefix=f"policy.{kind}")["events"]

    first = fire(server)
    server.wait_for(lambda: acts("acted"), what="the action")
    assert acts("acted")[0]["data"]["alert"] == first
    assert [rollout["state"] for rollout in server.get("/api/v1/rollouts")["rollouts"]] == ["paused"]
    end(server)
    second = fire(server)
    server.wait_for(lambda: acts("held_back"), what="the second, held back")
    assert acts("held_back")[0]["data"]["alert"] == second
    assert "it rests until" in acts("held_back")[0]["data"]["summary"]
    assert len(acts("acted")) == 1


class MailServer:
    """The standard library's SMTP server with STARTTLS and AUTH PLAIN, on a thread of its own."""

    def __init__(self, certificate, key):
        self.mails: list[tuple[str, list[str], bytes]] = []
        self.logins: list[str] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"localhost:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError, ssl.SSLError):
                self.talk(connection)

    def talk(self, connection):
        def reader_of(stream):
            return stream, stream.makefile("rb")

        connection.settimeout(20)
        stream, lines = reader_of(connection)
        secure, sender, receivers = False, "", []
        stream.sendall(b"220 test ESMTP\r\n")
        while line := lines.readline():
            word = line.decode().strip()
            verb = word.upper().split(" ")[0]
            if verb == "EHLO":
                stream.sendall(b"250-test\r\n250 AUTH PLAIN LOGIN\r\n" if secure else b"250-test\r\n250 STARTTLS\r\n")
            elif verb == "STARTTLS":
                stream.sendall(b"220 go on\r\n")
                stream, lines = reader_of(self.context.wrap_socket(stream, server_side=True))
                secure = True
            elif verb == "AUTH":
                self.logins.append(base64.b64decode(word.split(" ")[2]).decode())
                stream.sendall(b"235 ok\r\n")
            elif verb == "MAIL":
                sender = word
                stream.sendall(b"250 ok\r\n")
            elif verb == "RCPT":
                receivers.append(word)
                stream.sendall(b"250 ok\r\n")
            elif verb == "DATA":
                stream.sendall(b"354 go on\r\n")
                data = b""
                while (row := lines.readline()) != b".\r\n":
                    assert row.endswith(b"\r\n")
                    data += row[1:] if row.startswith(b".") else row
                self.mails.append((sender, receivers, data))
                stream.sendall(b"250 taken\r\n")
            elif verb == "QUIT":
                stream.sendall(b"221 bye\r\n")
                stream.close()
                return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.fixture
def mail(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    server = MailServer(certificate, key)
    yield server, certificate
    server.close()


def test_mail_goes_out_over_starttls_with_a_login(serve, mail):
    postbox, certificate = mail
    server = serve(
        f"alerts.email.server={postbox.address}",
        "alerts.email.username=slip",
        "alerts.email.password=way",
        "alerts.email.from=slipway@example.org",
        "alerts.email.to=a@example.org,b@example.org",
        environment={"SSL_CERT_FILE": str(certificate)},
    )
    alert = fire(server)
    server.wait_for(lambda: postbox.mails, what="the mail")
    end(server)
    server.wait_for(lambda: len(postbox.mails) == 2, what="the mail of the end")
    sender, receivers, data = postbox.mails[0]
    assert sender == "MAIL FROM:<slipway@example.org>"
    assert receivers == ["RCPT TO:<a@example.org>", "RCPT TO:<b@example.org>"]
    assert postbox.logins[0] == "\0slip\0way"
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert message["Subject"] == "[FIRING] any on tiny (critical)"
    assert "Runbook: https://wiki.example/any" in message.get_content()
    last = email.message_from_bytes(postbox.mails[1][2], policy=email.policy.default)
    assert last["Subject"].startswith("[RESOLVED]")
    assert last["References"] == message["References"] == f"<{alert}@slipway>"


def test_mail_is_not_given_to_a_server_that_nobody_vouches_for(serve, mail):
    postbox, _ = mail
    server = serve(
        f"alerts.email.server={postbox.address}", "alerts.email.from=s@example.org", "alerts.email.to=a@example.org"
    )
    fire(server)
    server.wait_for(lambda: "tls_failed" in server.log_tail(), what="the refusal")
    assert postbox.mails == []
