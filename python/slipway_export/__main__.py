# SPDX-License-Identifier: Apache-2.0
"""python -m slipway_export MODEL --output FOLDER: exports, proves, and leaves model.onnx and its report, or nothing.

Exit status: 0 exported, 3 refused because the export differs from its source, 1 could not, 2 called wrongly.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.metadata
import json
import pathlib
import shutil
import sys
import tempfile
import warnings

import numpy as np

from slipway_export import convert, edges, sources, validate
from slipway_export.tables import Arrays, ExportError, as_inputs

REFUSED = 3
REPORT = "export_report.json"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="slipway export", description="A model as ONNX, proved against its source.")
    parser.add_argument("model", type=pathlib.Path, help="an MLflow model's folder, a SavedModel, or a model's file")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder for model.onnx and the report")
    parser.add_argument("--flavor", choices=sources.FLAVORS, help="default: by what lies there")
    parser.add_argument("--golden", type=pathlib.Path, help=".npz with an array for each input")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=TYPE[SIZES]", help="of PyTorch models")
    parser.add_argument("--opset", type=int, default=17)
    parser.add_argument("--absolute", type=float, default=1e-5, help="tolerance")
    parser.add_argument("--relative", type=float, default=1e-4, help="tolerance, times the source's value")
    parser.add_argument("--rows", type=int, default=256, help="random rows of each kind of edge")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--allow", action="append", default=[], choices=edges.KINDS, help="edges that may differ")
    parser.add_argument("--register", metavar="NAME", help="register the export as a version of this model by MLflow")
    return parser.parse_args()


def read_golden(path: pathlib.Path | None) -> Arrays | None:
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as error:
        raise ExportError(f"--golden: '{path}' is no .npz of arrays: {error}") from error
    return {name: array for name, array in arrays.items() if not name.startswith("outputs.")}


def sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def version_of(package: str) -> str:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return ""


def report_of(source: sources.Source, options: argparse.Namespace, results: list[dict], exported: pathlib.Path) -> dict:
    packages = (
        "scikit-learn",
        "skl2onnx",
        "xgboost-cpu",
        "lightgbm",
        "onnxmltools",
        "torch",
        "tensorflow-cpu",
        "tf2onnx",
    )
    versions = {name: version_of(name) for name in (*packages, "onnx", "onnxruntime", "numpy") if version_of(name)}
    return {
        "equal": all(result["equal"] or result.get("waived") for result in results),
        "flavor": source.flavor,
        "source": source.path,
        "sha256": sha256(exported),
        "inputs": [
            {"name": w.name, "type": str(w.dtype), "shape": [-1, *w.shape], "columns": w.columns} for w in source.inputs
        ],
        "tolerance": {"absolute": options.absolute, "relative": options.relative},
        "seed": options.seed,
        "checks": results,
        "packages": versions,
    }


def register(folder: pathlib.Path, name: str, report: dict) -> str:
    """Logs model and report as one MLflow model, so that the report is among the version's files."""
    import mlflow
    import onnx

    with tempfile.TemporaryDirectory() as work, mlflow.start_run() as run:
        model = pathlib.Path(work) / "model"
        mlflow.onnx.save_model(onnx.load(folder / "model.onnx"), str(model))
        shutil.copy(folder / REPORT, model / REPORT)
        mlflow.log_artifacts(str(model), "model")
        mlflow.set_tag("slipway.export.sha256", report["sha256"])
        return mlflow.register_model(f"runs:/{run.info.run_id}/model", name).version


def show(report: dict) -> None:
    for check in report["checks"]:
        state = "equal" if check["equal"] else "differs, allowed" if check.get("waived") else "DIFFERS"
        refused = f", {check['refused_by_source']} refused by the source" if check["refused_by_source"] else ""
        print(f"{check['kind']:10} {check['rows']:5} rows  {state}{refused}")
        for output in check["outputs"]:
            if not output["equal"]:
                print(f"  {output['output']}: {output['rows_different']} rows differ; the first of them:")
                for row in output["worst_rows"]:
                    print(f"    row {row['row']}: expected {row['expected']}, got {row['actual']}")
        if "export_says" in check:
            print(f"  {check['export_says']}")


def run(options: argparse.Namespace) -> int:
    golden = read_golden(options.golden)
    source = sources.open_source(options.model, options.flavor, golden, options.input)
    known = as_inputs(golden, source.inputs) if golden else None
    with tempfile.TemporaryDirectory() as work:
        exported = pathlib.Path(work) / "model.onnx"
        exported.write_bytes(convert.to_onnx(source, options.opset).SerializeToString())
        tolerance = validate.Tolerance(options.absolute, options.relative)
        results = validate.validate(
            str(exported), source, known, options.rows, options.seed, tolerance, set(options.allow)
        )
        report = report_of(source, options, results, exported)
        show(report)
        if not report["equal"]:
            kinds = [check["kind"] for check in results if not check["equal"] and check["kind"] in edges.KINDS]
            hint = f"; where such inputs cannot come: --allow {' --allow '.join(kinds)}" if kinds else ""
            print(f"refused: the export does not answer as its source does{hint}", file=sys.stderr)
            return REFUSED
        options.output.mkdir(parents=True, exist_ok=True)
        shutil.copy(exported, options.output / "model.onnx")
        (options.output / REPORT).write_text(json.dumps(report, indent=1) + "\n")
    print(f"exported: {options.output / 'model.onnx'}")
    if options.register:
        print(f"registered: {options.register} version {register(options.output, options.register, report)}")
    return 0


def main() -> int:
    options = arguments()
    warnings.filterwarnings("ignore")
    try:
        return run(options)
    except ExportError as error:
        print(f"slipway export: {error}", file=sys.stderr)
    except ImportError as error:
        print(f"slipway export: the interpreter lacks a package: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
