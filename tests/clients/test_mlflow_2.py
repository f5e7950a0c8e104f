# SPDX-License-Identifier: Apache-2.0
"""The previous mlflow, unmodified: what test_mlflow.py asks of the client is asked of that one too."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sysconfig

HERE = pathlib.Path(__file__).parent
# Its environment has no pytest and no onnx: those of ours come last, so that all it has is its own.
PROGRAM = "import sys; sys.path.append(sys.argv[1]); import pytest; sys.exit(pytest.main(sys.argv[2:]))"
# Of MLflow 3 alone.
NOT_THERE = ["test_a_run_knows_the_logged_model_that_it_made"]


def test_the_previous_client_works_as_the_present_one():
    python = os.environ["SLIPWAY_MLFLOW2"]
    arguments = [sysconfig.get_path("purelib"), "-q", "-p", "no:cacheprovider", str(HERE / "test_mlflow.py")]
    arguments += ["-k", " and ".join(f"not {name}" for name in NOT_THERE)]
    done = subprocess.run([python, "-c", PROGRAM, *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
