# SPDX-License-Identifier: Apache-2.0
"""Which style a version is written in, told from its files."""

from __future__ import annotations

import importlib
import pathlib

from slipway_worker.model import Model, bad_model

STYLES = {
    "pyfunc": "slipway_worker.styles.pyfunc",
    "torchscript": "slipway_worker.styles.torch_models",
    "torch_export": "slipway_worker.styles.torch_models",
    "class": "slipway_worker.styles.plain_class",
    "triton": "slipway_worker.styles.triton_backend",
    "mlserver": "slipway_worker.styles.mlserver_model",
}


def load_model(source: dict) -> Model:
    path = pathlib.Path(source["path"])
    style = source["parameters"].get("style") or style_of(path)
    if style not in STYLES:
        raise bad_model(f"parameters.style is '{style}'; known are {', '.join(STYLES)}")
    return importlib.import_module(STYLES[style]).load(path, {**source, "style": style})


def style_of(path: pathlib.Path) -> str:
    if path.is_dir():
        for name, style in (("MLmodel", "pyfunc"), ("model-settings.json", "mlserver"), ("model.py", "")):
            if (path / name).is_file():
                return style or style_of(path / name)
        programs = sorted([*path.glob("*.pt2"), *path.glob("*.pt")])
        if len(programs) == 1:
            return style_of(programs[0])
        raise bad_model("the version has no MLmodel, model-settings.json, model.py, and not just one .pt or .pt2 file")
    if path.name == "MLmodel":
        return "pyfunc"
    if path.name == "model-settings.json":
        return "mlserver"
    if path.suffix == ".pt2":
        return "torch_export"
    if path.suffix in (".pt", ".pth"):
        return "torchscript"
    if path.suffix == ".py":
        return "triton" if "TritonPythonModel" in path.read_text(errors="replace") else "class"
    raise bad_model(f"'{path.name}' is no Python model that is known here")


def import_file(path: pathlib.Path, name: str):
    """The author's file as a module; what lies beside it can be imported by it."""
    import importlib.util
    import sys

    sys.path.insert(0, str(path.parent))
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or not path.is_file():
        raise bad_model(f"there is no {path.name}")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module
