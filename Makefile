# SPDX-License-Identifier: Apache-2.0
# Each target is one line to scripts/; DEVELOPERS.md says what they do.
.PHONY: build setup demo test lint format sanitize bench install clean
build:
	scripts/build
setup:
	scripts/setup frameworks
demo:
	scripts/demo
test:
	scripts/test
lint:
	scripts/lint
format:
	scripts/format
sanitize:
	scripts/sanitize
bench:
	scripts/bench
install:
	scripts/install $(PREFIX)
clean:
	rm -rf build build-*
