# SPDX-License-Identifier: Apache-2.0
"""MLflow's own SQLite store as oracle: the same data in both, the same query, the same answer in the same order."""

from __future__ import annotations

import random
import time

import pytest
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelStatus,
    Metric,
    Param,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException

CASES = 150
FIRST_MS = 1_700_000_000_000
WORDS = ["alpha", "Alpha", "beta", "a_b", "50%", "x*y", "[z]", "it's", "", "Ünï"]
MODEL = "artifact_path: model\nflavors: {}\n"


@pytest.fixture(scope="module")
def pair(server, tmp_path_factory):
    """(ours, MLflow's): two clients with equal data; what differs (ids) is told apart by names."""
    folder = tmp_path_factory.mktemp("oracle")
    clients = (
        MlflowClient(tracking_uri=server.url, registry_uri=server.url),
        MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db", registry_uri=f"sqlite:///{folder}/mlflow.db"),
    )
    experiments = [fill(client, folder) for client in clients]
    return clients, experiments


def later():
    """Waits for the next millisecond, so that two entities never have the same time."""
    now = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 <= now:
        pass


def fill(client, folder):
    chance = random.Random(1)
    experiments = []
    for name in ["search-one", "search-two", "Other"]:
        later()
        location = None if client.tracking_uri.startswith("http") else str(folder / "artifacts" / name)
        experiments.append(client.create_experiment(name, location, {"team": chance.choice(WORDS), "kind": name}))
        if name == "Other":
            client.set_experiment_tag(experiments[-1], "odd key", "yes")
    runs = [fill_run(client, chance, experiments[i % 2], i) for i in range(40)]
    for run in runs[:3]:
        client.delete_run(run)
    client.delete_experiment(client.create_experiment("search-gone"))
    fill_models(client, chance, experiments, runs)
    fill_registry(client, chance, runs)
    return experiments


def fill_run(client, chance, experiment, i):
    run = client.create_run(experiment, start_time=FIRST_MS + (i // 2) * 1000 + i % 2, run_name=f"run-{i}")
    run_id = run.info.run_id
    metrics = []
    for key in ["auc", "odd key", "m/1"]:
        if chance.random() < 0.75:
            value = chance.choice([0.25, 0.5, -1.0, 1e6, float("nan"), chance.random()])
            metrics.append(Metric(key, value, FIRST_MS, chance.randrange(3)))
            metrics.append(Metric(key, value + 1, FIRST_MS, 3))
    params = [Param(k, chance.choice(WORDS) or "-") for k in ["depth", "p q"] if chance.random() < 0.75]
    tags = [RunTag(k, chance.choice(WORDS)) for k in ["team", "a.b", "odd tag"] if chance.random() < 0.75]
    client.log_batch(run_id, metrics, params, tags)
    if chance.random() < 0.5:
        datasets = [
            DatasetInput(
                Dataset(chance.choice(["iris", "Wine"]), f"d{i % 4}", "local", "{}"),
                [InputTag("mlflow.data.context", chance.choice(["training", "eval"]))],
            )
        ]
        client.log_inputs(run_id, datasets)
    status = chance.choice(["FINISHED", "FAILED", "RUNNING", "KILLED"])
    if status != "RUNNING":
        client.set_terminated(run_id, status, FIRST_MS + chance.randrange(5) * 1000 + i)
    return run_id


def fill_models(client, chance, experiments, runs):
    for i in range(16):
        later()
        run_id = runs[3 + i]
        model = client.create_logged_model(
            experiments[(3 + i) % 2],
            name=f"model-{i}",
            source_run_id=run_id,
            tags={"team": chance.choice(WORDS)} if i % 3 else {},
            params={"depth": str(i % 4)},
            model_type=chance.choice(["agent", "tree"]),
        )
        for step in range(2):
            if chance.random() < 0.8:
                client.log_batch(
                    run_id,
                    [
                        Metric(
                            "score",
                            chance.choice([0.25, chance.random()]),
                            FIRST_MS + step,
                            step,
                            model.model_id,
                            chance.choice(["iris", "wine"]),
                            f"d{i % 2}",
                        )
                    ],
                )
        if i % 4 == 0:
            client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def fill_registry(client, chance, runs):
    ours = client.tracking_uri.startswith("http")
    for i, name in enumerate(["Reg a", "reg-b", "reg_c", "Zed"]):
        later()
        client.create_registered_model(name, {"team": chance.choice(WORDS)} if i != 2 else {}, f"about {i}")
        for n in range(3):
            later()
            run_id = runs[3 + i + n]
            folder = f"{chance.choice('xy')}{i}"
            if ours:
                client.log_text(run_id, MODEL, f"{folder}/MLmodel")
            source = f"runs:/{run_id}/{folder}"
            tags = {"stage": chance.choice(WORDS), "n": str(n)} if n else {}
            client.create_model_version(name, source, run_id, tags=tags)
    later()
    client.set_model_version_tag("reg-b", 1, "later", "yes")
    later()
    client.update_model_version("Zed", 2, "changed")
    later()
    client.update_registered_model("Reg a", "changed")


def outcome(call, *arguments):
    """What the caller sees: the names and where they end, or the kind of error."""
    try:
        return call(*arguments)
    except MlflowException as error:
        # MLflow says INTERNAL_ERROR, or does not catch at all, where a caller's filter is at fault.
        return "INVALID_PARAMETER_VALUE" if error.error_code == "INTERNAL_ERROR" else error.error_code
    except (ValueError, AttributeError):
        return "INVALID_PARAMETER_VALUE"


def text(chance):
    word = chance.choice([*WORDS, "al%", "%a", "_lpha", "%", "run-1%", "run-3"]).replace("'", "")
    return f"'{word}'" if chance.random() < 0.8 else f'"{word}"'


NUMERIC = ["=", "!=", "<", "<=", ">", ">="]
TEXTUAL = ["=", "!=", "LIKE", "ILIKE", "like"]


def number(chance):
    return chance.choice(["0.25", "0.5", "-1", "1e6", "1.5", "0", "3", ".5"])


def listed(chance, values):
    return "(" + ", ".join(f"'{v}'" for v in chance.sample(values, chance.randrange(1, 3))) + ")"


def comparison(chance, keys, comparators, values):
    return f"{chance.choice(keys)} {chance.choice(comparators)} {chance.choice(values)}"


METRICS = ["metrics.auc", "metric.auc", "metrics.`odd key`", 'metrics."m/1"', "metrics.m/1"]
PARAMS = ["params.depth", "param.depth", "parameters.depth", "params.`p q`"]
TAGS = ["tags.team", "tag.team", "tags.a.b", "tags.`a.b`", 'tags."odd tag"']
BAD_FOR_RUNS = [
    "metrics.auc > '1'",
    "params.depth > 'a'",
    "params.depth = 1",
    "tags.team < 'x'",
    "nonsense = 'x'",
    "foo.bar = 'x'",
    "metrics.auc LIKE 'x'",
    "status > 'x'",
    "start_time = 'x'",
    "dataset.size = 'x'",
    "metrics.auc",
    "= 1",
    "metrics.auc = ",
    "metrics.auc = 1 OR metrics.auc = 2",
    "(metrics.auc = 1)",
    "params.depth = 'open",
    "run_id IN ()",
    "Status = 'FINISHED'",
    "TAGS.team = 'alpha'",
    "experiment_id = '1'",
    "run_id IN (1)",
    "metrics.auc > 0.1; metrics.auc > 0.2",
    "metrics.auc = 0.5 AND",
]


def clause_of_run(chance):
    some = text(chance)
    times = [str(FIRST_MS + chance.randrange(20) * 1000)]
    lists = [listed(chance, ["iris", "d1", "training", "run-4"])]
    return chance.choice(
        [
            comparison(chance, METRICS, NUMERIC, [number(chance)]),
            comparison(chance, PARAMS, TEXTUAL, [some]),
            comparison(chance, TAGS, TEXTUAL, [some]),
            comparison(chance, ["run_name", "attributes.run_name", "`run name`", "user_id"], TEXTUAL, [some]),
            comparison(chance, ["attr.status", "status"], TEXTUAL, [some, "'FINISHED'", "'FAILED'"]),
            comparison(chance, ["start_time", "end_time", "attribute.end_time", "created"], NUMERIC, times),
            comparison(
                chance,
                ["dataset.name", "datasets.name", "dataset.digest", "dataset.context"],
                TEXTUAL,
                [some, "'iris'", "'d1'", "'training'"],
            ),
            comparison(
                chance,
                ["dataset.name", "dataset.digest", "dataset.context", "run_name", "status", "tags.team"],
                ["IN", "NOT IN", "in"],
                lists,
            ),
            comparison(
                chance,
                ["tags.team", "params.depth", "tags.absent", "metrics.auc", "status"],
                ["IS"],
                ["NULL", "NOT NULL", "null"],
            ),
            chance.choice(BAD_FOR_RUNS),
        ]
    )


def filter_of(chance, clause):
    count = chance.choice([0, 1, 1, 1, 2, 2, 3])
    return chance.choice([" AND ", " and ", "  AND\n"]).join(clause(chance) for _ in range(count))


def order_of(chance, keys, ends=("", " ASC", " DESC", " desc")):
    picked = chance.sample(keys, chance.choice([0, 1, 1, 2]))
    return [key + chance.choice(ends) for key in picked]


def paged(search, name_of, size):
    """Every page, as names."""
    token, pages = None, []
    while True:
        page = search(token, size)
        pages.append([name_of(item) for item in page])
        token = page.token
        if not token:
            return pages


def check(pair, case_of):
    """`case_of(random)` draws a case: what to print, and what to ask of a client with its experiments' ids."""
    clients, experiments = pair
    answers = []
    for seed in range(CASES):
        case, ask = case_of(random.Random(seed))
        ours, theirs = (outcome(ask, clients[i], experiments[i]) for i in (0, 1))
        answers.append(((seed, *case), ours, theirs))
    all_equal(answers)


def all_equal(answers):
    differing = [
        f"{case}\n  ours:     {ours}\n  MLflow's: {theirs}" for case, ours, theirs in answers if ours != theirs
    ]
    assert not differing, f"{len(differing)} of {len(answers)} differ\n" + "\n".join(differing)
    # Guards the generator: a run in which all was refused, or nothing, would show little.
    assert sum(isinstance(theirs, str) for _, _, theirs in answers) > CASES // 20
    assert sum(not isinstance(theirs, str) and any(theirs) for _, _, theirs in answers) > CASES // 4


def test_search_runs(pair):
    keys = [
        "metrics.auc",
        "metrics.`odd key`",
        "params.depth",
        "tags.team",
        "start_time",
        "end_time",
        "attributes.run_name",
        "status",
        "created",
        "nonsense",
        "dataset.name",
    ]

    def case(chance):
        query, order = filter_of(chance, clause_of_run), order_of(chance, chance.choice([keys[:8], keys[:8], keys]))
        view, size = (
            chance.choice([ViewType.ACTIVE_ONLY, ViewType.ALL, ViewType.DELETED_ONLY]),
            chance.choice([3, 1000]),
        )
        return (query, order, view), lambda client, ids: paged(
            lambda token, n: client.search_runs(ids, query, view, n, order, token),
            lambda item: item.info.run_name,
            size,
        )

    check(pair, case)


def clause_of_experiment(chance):
    some = text(chance)
    return chance.choice(
        [
            comparison(chance, ["name", "attribute.name"], TEXTUAL, [some, "'search%'", "'SEARCH-one'", "'Other'"]),
            comparison(chance, ["tags.team", "tag.`odd key`"], TEXTUAL, [some, "'yes'"]),
            comparison(chance, ["tags.kind", "tags.absent"], ["IS"], ["NULL", "NOT NULL"]),
            comparison(chance, ["creation_time", "last_update_time"], NUMERIC, ["-1", "4102444800000"]),
            chance.choice(
                [
                    "name IN ('search-one')",
                    "experiment_id IN ('1', '2')",
                    "attributes.name = 'Other'",
                    "creation_time = 'x'",
                    "name > 'x'",
                    "name IS NULL",
                    "metrics.x = 1",
                    "foo = 'x'",
                ]
            ),
        ]
    )


def test_search_experiments(pair):
    keys = ["name", "experiment_id", "creation_time", "last_update_time", "attribute.name", "tags.team", "nonsense"]

    def case(chance):
        query = filter_of(chance, clause_of_experiment)
        order = order_of(chance, chance.choice([keys[:5], keys[:5], keys]))
        view, size = chance.choice([ViewType.ACTIVE_ONLY, ViewType.ALL, ViewType.DELETED_ONLY]), chance.choice([1, 100])
        return (query, order, view), lambda client, ids: paged(
            lambda token, n: client.search_experiments(view, n, query, order, token), lambda item: item.name, size
        )

    check(pair, case)


def clause_of_registered_model(chance):
    some = text(chance)
    return chance.choice(
        [
            comparison(chance, ["name"], TEXTUAL, [some, "'reg%'", "'Reg a'", "'%e%'"]),
            comparison(chance, ["tags.team"], TEXTUAL, [some]),
            comparison(chance, ["name"], ["IN", "NOT IN"], [listed(chance, ["Reg a", "reg-b", "Zed", "no"])]),
            chance.choice(
                [
                    "tags.`mlflow.prompt.is_prompt` != 'true'",
                    "attribute.name = 'Zed'",
                    "tags.team IS NULL",
                    "name > 'x'",
                    "nonsense = 'x'",
                    "metrics.auc > 1",
                    "last_updated_timestamp > 1",
                    "attributes.name = 'Zed'",
                ]
            ),
        ]
    )


def test_search_registered_models(pair):
    keys = ["name", "timestamp", "last_updated_timestamp", "creation_timestamp", "nonsense"]

    def case(chance):
        query = filter_of(chance, clause_of_registered_model)
        order, size = order_of(chance, chance.choice([keys[:3], keys[:3], keys])), chance.choice([1, 100])
        return (query, order), lambda client, ids: paged(
            lambda token, n: client.search_registered_models(query, n, order, token), lambda item: item.name, size
        )

    check(pair, case)


def clause_of_version(chance):
    some = text(chance)
    return chance.choice(
        [
            comparison(chance, ["name"], TEXTUAL, [some, "'reg%'", "'Reg a'"]),
            comparison(chance, ["tags.stage", "tags.n"], TEXTUAL, [some, "'1'"]),
            comparison(chance, ["version_number"], NUMERIC, ["1", "2", "'2'", "3"]),
            comparison(chance, ["source_path"], ["LIKE", "ILIKE"], ["'%/x%'", "'%/Y1'", "'runs:%'"]),
            comparison(chance, ["name"], ["IN", "NOT IN"], [listed(chance, ["Reg a", "reg-b", "Zed"])]),
            chance.choice(
                [
                    "run_id = 'x'",
                    "run_id IN ('x')",
                    "creation_timestamp > 1",
                    "last_updated_timestamp > 1",
                    "version_number = 1.5",
                    "version_number = 'x'",
                    "source_path IN ('x')",
                    "tags.n IS NULL",
                    "name < 'x'",
                    "nonsense = 'x'",
                    "params.x = 'y'",
                ]
            ),
        ]
    )


def test_search_model_versions(pair):
    keys = ["name", "version_number", "creation_timestamp", "last_updated_timestamp", "attribute.name", "timestamp"]

    def case(chance):
        query = filter_of(chance, clause_of_version)
        order, size = order_of(chance, chance.choice([keys[:4], keys[:4], keys])), chance.choice([2, 100])
        return (query, order), lambda client, ids: paged(
            lambda token, n: client.search_model_versions(query, n, order, token),
            lambda item: (item.name, int(item.version)),
            size,
        )

    check(pair, case)


def clause_of_logged_model(chance):
    some = text(chance).replace('"', "'")
    return chance.choice(
        [
            comparison(chance, ["name"], TEXTUAL, [some, "'model-1%'", "'model-3'", "'MODEL-3'"]),
            comparison(chance, ["attributes.model_type", "model_type"], TEXTUAL, ["'agent'"]),
            comparison(chance, ["metrics.score"], NUMERIC, [number(chance)]),
            comparison(chance, ["params.depth"], TEXTUAL, ["'1'"]),
            comparison(chance, ["tags.team"], TEXTUAL, [some]),
            comparison(chance, ["creation_time", "last_updated_timestamp"], NUMERIC, [str(FIRST_MS)]),
            comparison(chance, ["name"], ["IN", "NOT IN"], ["('model-1', 'model-2')"]),
            comparison(chance, ["params.depth"], ["IN"], [listed(chance, ["1", "2", "3"])]),
            chance.choice(
                [
                    "metric.score > 0",
                    "tag.team = 'x'",
                    "metrics.score LIKE 'x'",
                    "name > 'x'",
                    "metrics.score > 0.1 OR metrics.score < 0",
                    "tags.team IS NULL",
                ]
            ),
        ]
    )


def test_search_logged_models(pair):
    keys = ["name", "creation_timestamp", "last_updated_timestamp", "model_type", "metrics.score", "params.depth", "no"]

    def case(chance):
        query = filter_of(chance, clause_of_logged_model)
        picked = chance.sample(chance.choice([keys[:5], keys[:5], keys]), chance.choice([0, 1, 1, 2]))
        order = [{"field_name": key, "ascending": chance.random() < 0.5} for key in picked]
        for item in order:
            if item["field_name"] == "metrics.score" and chance.random() < 0.5:
                item |= {"dataset_name": "iris"} | ({"dataset_digest": "d1"} if chance.random() < 0.5 else {})
        wine = {"dataset_name": "wine", "dataset_digest": "d0"}
        datasets, size = chance.choice([None, None, [{"dataset_name": "iris"}], [wine]]), chance.choice([3, 100])
        return (query, order, datasets), lambda client, ids: paged(
            lambda token, n: client.search_logged_models(ids, query or None, datasets, n, order or None, token),
            lambda item: item.name,
            size,
        )

    check(pair, case)


def test_the_histories_of_a_metric_over_several_runs(pair, server):
    """The page's route; MLflow's Python client has no call for it."""
    clients, experiments = pair
    names = [
        {run.info.run_id: run.info.run_name for run in client.search_runs(ids, order_by=["start_time"])}
        for client, ids in zip(clients, experiments, strict=True)
    ]

    def ours(most, first, last):
        steps = {} if first is None else {"start_step": first, "end_step": last}
        query = {"run_ids": list(names[0]), "metric_key": "auc", "max_results": most, **steps}
        found = server.get("/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval", **query)["metrics"]
        return [(names[0][m["run_id"]], m["step"], m["timestamp"], repr(float(m["value"]))) for m in found]

    def theirs(most, first, last):
        store = clients[1]._tracking_client.store
        found = store.get_metric_history_bulk_interval(list(names[1]), "auc", most, first, last)
        return [(names[1][m.run_id], m.step, m.timestamp, repr(m.value)) for m in found]

    for case in [(1, None, None), (2, None, None), (320, None, None), (2, 1, 2), (320, 3, 3), (5, 9, 9)]:
        assert ours(*case) == theirs(*case), case
