# SPDX-License-Identifier: Apache-2.0
"""A real Chromium (driver.mjs) and the fixture server of the page (web/dev/server.mjs), for tests."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
WEB = HERE.parent.parent / "web"


def node() -> str:
    found = shutil.which("node")
    assert found, "node is not on PATH: run scripts/setup and source scripts/env.sh"
    return found


class Browser:
    """Every method is a command of driver.mjs; `see` and `until` wait, the others answer at once."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [node(), str(HERE / "driver.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __getattr__(self, command: str):
        def send(**options):
            self.process.stdin.write(json.dumps({"command": command, **options}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            assert line, f"the browser ended at {command}"
            answer = json.loads(line)
            assert "error" not in answer, f"{command} {options}: {answer['error']}"
            return answer["value"]

        return send

    def close(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def click_text(self, selector: str, text: str) -> None:
        """Clicks the first element that `selector` finds and that has `text` in it."""
        among = f"[...document.querySelectorAll({json.dumps(selector)})]"
        self.run(script=f"{among}.find((one) => one.innerText.includes({json.dumps(text)})).click()")

    def stumbles(self) -> list[str]:
        return self.run(script=(HERE / "accessibility.js").read_text())

    def overflow(self) -> int:
        return self.run(script="document.documentElement.scrollWidth - window.innerWidth")

    def errors(self) -> list[str]:
        return self.findings()["errors"]


class FixtureServer:
    def __init__(self, scenario: str, port: int = 0) -> None:
        command = [node(), str(WEB / "dev" / "server.mjs"), f"--port={port}", f"--scenario={scenario}", "--quiet"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://"), "the fixture server did not start"

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1].rstrip("/"))

    def emit(self, kind: str, subject: str, data: dict) -> None:
        body = json.dumps({"type": kind, "subject": subject, "data": data}).encode()
        request = urllib.request.Request(f"{self.url}fixture/event", body, method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()
