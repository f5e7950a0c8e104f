# SPDX-License-Identifier: Apache-2.0
"""Tree models of XGBoost, LightGBM and scikit-learn: the served answers are the library's own, to the last bit."""

from __future__ import annotations

import lightgbm
import mlflow
import numpy as np
import onnxruntime
import pandas
import pytest
import requests
import tritonclient.http as triton
import xgboost
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from slipway_server import Server

FEATURES = 6
RNG = np.random.default_rng(0)
TRAIN = RNG.normal(size=(500, FEATURES)).astype(np.float32)
TRAIN[:, 3] = RNG.integers(0, 12, 500)
TRAIN[RNG.random(TRAIN.shape) < 0.1] = np.nan
KNOWN = np.nan_to_num(TRAIN)
SCORE = KNOWN[:, 0] + KNOWN[:, 1] * KNOWN[:, 2] + np.sin(KNOWN[:, 3])
CLASSES = np.digitize(SCORE, [-1, 1])
NAMES = [f"column {i}" for i in range(FEATURES)]
CATEGORIES = ["q", "q", "q", "c", "q", "q"]


def edges(thresholds: list[float]) -> np.ndarray:
    """Random rows, thresholds exactly and their neighbours, NaN, zeros, the smallest and largest numbers."""
    rows = RNG.normal(size=(200, FEATURES))
    rows[:, 3] = RNG.integers(0, 12, len(rows))
    special = np.array([np.nan, 0.0, -0.0, 1e-36, 1.4e-45, 3e38, -3e38, 12, 40], dtype=np.float64)
    exact = np.array(thresholds or [0.0], dtype=np.float32)
    for way in range(4):
        place = RNG.random(rows.shape) < 0.1
        hit = exact[RNG.integers(0, len(exact), place.sum())]
        near = [hit, np.nextafter(hit, np.float32(9)), np.nextafter(hit, np.float32(-9))]
        rows[place] = near[way] if way < 3 else special[RNG.integers(0, len(special), place.sum())]
    rows[:, 3] = np.abs(np.where(rows[:, 3] > 1e6, 3, np.trunc(rows[:, 3])))
    return rows


def boosted(objective: str, label: np.ndarray, categories: bool = True, **parameters) -> xgboost.Booster:
    types = CATEGORIES if categories else ["q"] * FEATURES
    data = xgboost.DMatrix(TRAIN, label, feature_names=NAMES, feature_types=types, enable_categorical=True)
    return xgboost.train({"objective": objective, "max_depth": 5, "seed": 1, **parameters}, data, 20)


BOOSTERS = {
    "xgb_squared": boosted("reg:squarederror", SCORE),
    "xgb_logistic": boosted("binary:logistic", SCORE > 0),
    "xgb_softprob": boosted("multi:softprob", CLASSES, num_class=3),
    "xgb_softmax": boosted("multi:softmax", CLASSES, num_class=3),
    "xgb_poisson_forest": boosted("count:poisson", np.abs(SCORE), num_parallel_tree=3, subsample=0.7),
    "xgb_dart": boosted("binary:logistic", SCORE > 0, booster="dart", rate_drop=0.3),
    "xgb_vectors": boosted(  # the library has no categories in trees of several targets
        "reg:squarederror",
        np.stack([SCORE, KNOWN[:, 0]], 1),
        categories=False,
        multi_strategy="multi_output_tree",
        tree_method="hist",
    ),
}
LIGHT = {
    "lgb_regression": ({"objective": "regression", "num_leaves": 31}, SCORE),
    "lgb_binary_zero": ({"objective": "binary", "sigmoid": 0.7, "zero_as_missing": True}, SCORE > 0),
    "lgb_multiclass": ({"objective": "multiclass", "num_class": 3, "num_leaves": 80}, CLASSES),
    "lgb_forest": (
        {"objective": "poisson", "boosting": "rf", "bagging_fraction": 0.7, "bagging_freq": 1},
        np.abs(SCORE),
    ),
}


def light(parameters: dict, label: np.ndarray) -> lightgbm.Booster:
    data = lightgbm.Dataset(TRAIN.astype(np.float64), label, feature_name=NAMES_OF_LIGHT, categorical_feature=[3])
    return lightgbm.train({"verbose": -1, "min_data_in_leaf": 3, "seed": 1, **parameters}, data, 20)


NAMES_OF_LIGHT = [name.replace(" ", "_") for name in NAMES]
GRAPHS = {
    "skl_classifier": GradientBoostingClassifier(n_estimators=20).fit(KNOWN, np.where(SCORE > 0, "yes", "no")),
    "skl_forest": RandomForestRegressor(20, max_depth=7, random_state=0).fit(KNOWN, SCORE),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    for name, booster in BOOSTERS.items():
        booster.save_model(models / f"{name}.{'json' if name.endswith('x') else 'ubj'}")
    light_models = {name: light(*of) for name, of in LIGHT.items()}
    for name, booster in light_models.items():
        booster.save_model(models / f"{name}.txt")
    for name, model in GRAPHS.items():
        (models / f"{name}.onnx").write_bytes(to_onnx(model, KNOWN[:1]).SerializeToString())
    wrapper = xgboost.XGBClassifier(n_estimators=15).fit(TRAIN, CLASSES)
    mlflow.xgboost.save_model(wrapper, models / "mlflow_xgb")
    mlflow.lightgbm.save_model(light_models["lgb_regression"], models / "mlflow_lgb")
    server = Server(tmp_path_factory.mktemp("data"), "--models", str(models)).start()
    try:
        yield server, models, light_models, wrapper
    finally:
        server.stop()


def ask(server: Server, name: str, rows: np.ndarray, output: str = "predictions") -> np.ndarray:
    client = triton.InferenceServerClient(server.http, network_timeout=60)
    given = triton.InferInput("input", rows.shape, "FP64" if rows.dtype == np.float64 else "FP32")
    if name.startswith("skl"):
        given = triton.InferInput("X", rows.shape, "FP32")
    given.set_data_from_numpy(np.ascontiguousarray(rows))
    return client.infer(name, [given]).as_numpy(output)


@pytest.mark.parametrize("name", BOOSTERS)
def test_xgboost(served, name):
    booster = BOOSTERS[name]
    found = [] if name == "xgb_vectors" else booster.trees_to_dataframe().Split.dropna().tolist()
    rows = edges(found).astype(np.float32)
    data = xgboost.DMatrix(rows, feature_names=NAMES, feature_types=CATEGORIES, enable_categorical=True)
    wanted = booster.predict(data)
    for batch in (rows, rows[:1], rows[:7]):
        got = ask(served[0], name, batch)
        assert got.dtype == wanted.dtype
        assert got.tobytes() == wanted[: len(batch)].tobytes()


@pytest.mark.parametrize("name", LIGHT)
def test_lightgbm(served, name):
    booster = lightgbm.Booster(model_file=str(served[1] / f"{name}.txt"))
    found = [float(t) for t in booster.trees_to_dataframe().threshold.dropna() if "|" not in str(t)]
    rows = edges(found)
    for batch in (rows, rows[:1], rows.astype(np.float32)):
        assert ask(served[0], name, batch).tobytes() == booster.predict(batch).tobytes()


def test_onnx_graphs_answer_as_onnx_runtime_and_run_on_our_evaluator(served):
    for name, outputs in (("skl_classifier", "output_label"), ("skl_forest", "variable")):
        path = served[1] / f"{name}.onnx"
        rows = edges([]).astype(np.float32)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # with more, its sums come in another order
        wanted = onnxruntime.InferenceSession(path, options).run([outputs], {"X": rows})[0]
        got = ask(served[0], name, rows, outputs)
        if wanted.dtype == object:
            assert [text.decode() for text in got] == list(wanted)
        else:
            assert got.tobytes() == wanted.tobytes()
        assert served[0].get(f"/v2/models/{name}")["platform"] == "slipway_trees_onnx"


def test_mlflow_models_answer_as_their_pyfunc(served):
    frame = pandas.DataFrame(TRAIN[:20])
    wanted = mlflow.pyfunc.load_model(str(served[1] / "mlflow_xgb")).predict(frame)
    assert (ask(served[0], "mlflow_xgb", TRAIN[:20]) == wanted).all()
    frame = pandas.DataFrame(TRAIN[:20].astype(np.float64), columns=NAMES_OF_LIGHT)
    wanted = mlflow.pyfunc.load_model(str(served[1] / "mlflow_lgb")).predict(frame)
    # A table in another order of its columns is matched by their names.
    body = {"dataframe_split": frame[frame.columns[::-1]].replace({np.nan: None}).to_dict("split")}
    answer = requests.post(f"{served[0].url}/endpoints/mlflow_lgb/invocations", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == wanted.tolist()


def test_a_damaged_file_is_refused_and_the_server_goes_on(served):
    whole = (served[1] / "xgb_squared.ubj").read_bytes()
    for name, content in (("cut", whole[: len(whole) // 2]), ("zeros", whole[:900] + bytes(100) + whole[1000:])):
        (served[1] / f"{name}.ubj").write_bytes(content)
        answer = requests.post(f"{served[0].url}/v2/repository/models/{name}/load", json={}, timeout=60)
        assert answer.status_code in (400, 422), answer.text
        assert "UBJSON" in answer.text or "model" in answer.text
    assert len(ask(served[0], "xgb_squared", TRAIN[:2])) == 2
