# SPDX-License-Identifier: Apache-2.0
"""Webhooks with the real MLflow client: format, signature, at least once, in order, through kill -9, and their end."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

import mlflow
import pytest
import requests
import tiny_models
from http_receiver import HttpReceiver
from mlflow import MlflowClient
from slipway_server import Server

SECRET = "a long secret"


class Receiver(HttpReceiver):
    """Answers `status`."""

    def __init__(self):
        self.status = 200
        self.refused = ""  # the model whose messages are answered 503
        super().__init__("/hook")

    @property
    def got(self) -> list[tuple[dict[str, str], bytes]]:
        return self.posts

    def answer(self, body: bytes) -> tuple[int, bytes]:
        refused = json.loads(body)["data"]["name"] == self.refused
        return 503 if refused else self.status, b"noted"

    def bodies(self) -> list[dict]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path / "data").start()
    yield running
    running.kill()


EVERYTHING = [
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
]


def test_every_event_comes_signed_and_in_mlflows_form(server, receiver):
    client = MlflowClient(server.url, server.url)
    client.create_webhook("all", receiver.url, EVERYTHING, description="d", secret=SECRET)
    tiny_models.register(server.url, "tiny")
    client.set_model_version_tag("tiny", "1", "checked", "yes")
    client.delete_model_version_tag("tiny", "1", "checked")
    client.set_registered_model_alias("tiny", "champion", "1")
    client.delete_registered_model_alias("tiny", "champion")
    server.wait_for(lambda: len(receiver.got) >= 6, 30, "six messages")
    bodies = receiver.bodies()
    assert [f"{body['entity']}.{body['action']}" for body in bodies] == EVERYTHING
    version = client.get_model_version("tiny", "1")
    assert bodies[1]["data"] == {
        "name": "tiny",
        "version": "1",
        "source": version.source,
        "run_id": version.run_id,
        "tags": {},
        "description": None,
    }
    assert bodies[2]["data"] == {"name": "tiny", "version": "1", "key": "checked", "value": "yes"}
    assert bodies[4]["data"] == {"name": "tiny", "version": "1", "alias": "champion"}
    assert bodies[5]["data"] == {"name": "tiny", "alias": "champion"}
    for headers, body in receiver.got:
        signed = f"{headers['x-mlflow-delivery-id']}.{headers['x-mlflow-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
        assert headers["x-mlflow-signature"] == f"v1,{expected}"
        assert abs(time.time() - int(headers["x-mlflow-timestamp"])) < 600


def test_the_client_creates_lists_updates_tests_and_deletes(server, receiver):
    client = MlflowClient(server.url, server.url)
    made = client.create_webhook("one", receiver.url, ["model_version.created"])
    assert made.status == "ACTIVE"
    assert client.get_webhook(made.webhook_id).name == "one"
    client.create_webhook("two", receiver.url, ["registered_model.created"], secret=SECRET)
    assert {one.name for one in client.list_webhooks()} == {"one", "two"}
    first = client.list_webhooks(max_results=1)
    assert len(first) == 1
    assert len(client.list_webhooks(max_results=1, page_token=first.token)) == 1
    changed = client.update_webhook(made.webhook_id, description="new", events=["model_version_tag.set"])
    assert changed.description == "new"
    assert [str(event) for event in changed.events] == ["model_version_tag.set"]
    tried = client.test_webhook(made.webhook_id)
    assert tried.success
    assert tried.response_status == 200
    assert tried.response_body == "noted"
    assert receiver.bodies()[-1]["data"]["key"] == "example_key"
    receiver.status = 404
    assert not client.test_webhook(made.webhook_id, "registered_model.created").success
    client.delete_webhook(made.webhook_id)
    with pytest.raises(mlflow.MlflowException, match="not found"):
        client.get_webhook(made.webhook_id)
    with pytest.raises(mlflow.MlflowException, match="Webhook name"):
        client.create_webhook("-", receiver.url, ["model_version.created"])
    with pytest.raises(mlflow.MlflowException, match="http"):
        client.create_webhook("x", "ftp://127.0.0.1/", ["model_version.created"])
    with pytest.raises(mlflow.MlflowException, match="expected one of registered_model"):
        client.create_webhook("x", receiver.url, ["prompt.created"])
    assert SECRET not in requests.get(f"{server.url}/api/2.0/mlflow/webhooks", timeout=30).text
    assert "webhook.deleted" in server.cli("audit", "list", "--type-prefix", "webhook.")


def test_nothing_is_lost_or_out_of_order_when_the_receiver_and_the_server_die(server, receiver):
    client = MlflowClient(server.url, server.url)
    client.create_registered_model("tiny")
    tiny_models.register(server.url, "tiny")
    client.create_webhook("tags", receiver.url, ["model_version_tag.set"])
    receiver.status = 503
    for i in range(20):
        client.set_model_version_tag("tiny", "1", f"k{i:02d}", str(i))
    server.wait_for(lambda: receiver.got, 30, "a first try")
    server.kill()
    receiver.got.clear()
    receiver.status = 200
    server.start()
    client = MlflowClient(server.url, server.url)
    server.wait_for(lambda: len({b["data"]["key"] for b in receiver.bodies()}) == 20, 60, "all of them")
    keys = [body["data"]["key"] for body in receiver.bodies()]
    assert list(dict.fromkeys(keys)) == [f"k{i:02d}" for i in range(20)]


def test_a_disabled_webhook_is_silent_at_once(server, receiver):
    client = MlflowClient(server.url, server.url)
    client.create_registered_model("tiny")
    made = client.create_webhook("models", receiver.url, ["registered_model.created"])
    watch = Receiver()
    try:
        client.create_webhook("watch", watch.url, ["registered_model.created"])
        receiver.status = 503
        client.create_registered_model("a")
        server.wait_for(lambda: receiver.got and watch.got, 30, "both to be told")
        client.update_webhook(made.webhook_id, status="DISABLED")
        receiver.status = 200
        told = len(receiver.got)
        client.create_registered_model("b")
        server.wait_for(lambda: len(watch.got) == 2, 30, "the other to be told")
        assert len(receiver.got) == told, "neither what waited nor what is new"
        client.update_webhook(made.webhook_id, status="ACTIVE")
        client.create_registered_model("c")
        server.wait_for(lambda: len(receiver.got) > told, 30, "the next")
        names = [body["data"]["name"] for body in receiver.bodies()[told:]]
        assert names == ["c"], "what happened while it was disabled is not sent later"
    finally:
        watch.close()


def deliveries(server, outcome: str) -> int:
    text = requests.get(f"{server.url}/metrics", timeout=30).text
    line = f'slipway_registry_webhook_deliveries_total{{outcome="{outcome}"}} '
    return sum(int(one.removeprefix(line)) for one in text.splitlines() if one.startswith(line))


def test_one_models_trouble_holds_up_no_other_and_a_repetition_shows(server, receiver):
    client = MlflowClient(server.url, server.url)
    client.create_webhook("models", receiver.url, ["registered_model.created"])
    receiver.refused = "a"
    client.create_registered_model("a")
    client.create_registered_model("b")

    def told(name: str) -> list[dict]:
        return [headers for headers, body in receiver.got if json.loads(body)["data"]["name"] == name]

    server.wait_for(lambda: told("b") and len(told("a")) >= 2, 30, "b, while a is tried again")
    receiver.refused = ""
    server.wait_for(lambda: deliveries(server, "delivered") == 2, 30, "a, too")
    assert len({headers["x-mlflow-delivery-id"] for headers in told("a")}) == 1
    assert deliveries(server, "retry") >= 2
    receiver.status = 404
    client.create_registered_model("c")
    server.wait_for(lambda: deliveries(server, "rejected") == 1, 30, "the end of c")
    assert len(told("c")) == 1
