# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from browser import Browser


@pytest.fixture(scope="module")
def browser():
    running = Browser()
    yield running
    running.close()
