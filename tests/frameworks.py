# SPDX-License-Identifier: Apache-2.0
"""Programs that need TensorFlow, PyTorch or KServe run in the environment that has them (SLIPWAY_FRAMEWORKS)."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

TIMEOUT_S = 240


def run(program: pathlib.Path, *arguments: str) -> dict:
    """Runs a Python program there; its last line of output is a JSON object, which is returned."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [os.environ["SLIPWAY_FRAMEWORKS"], str(program), *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, f"{program.name}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout.strip().splitlines()[-1])
