# SPDX-License-Identifier: Apache-2.0
# Sourced by the other scripts (and by a developer's shell): where the set-up put things, and PATH with them in front.
SLIPWAY_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export SLIPWAY_ROOT
export SLIPWAY_CACHE=${SLIPWAY_CACHE:-$HOME/.cache/slipway}

# slipway_part NAME FILE...: the cache folder of a part, named by the hash of the files that pin it.
slipway_part() {
  local name=$1
  shift
  echo "$SLIPWAY_CACHE/$name-$(cd "$SLIPWAY_ROOT" && cat "$@" | sha256sum | cut -c1-12)"
}

SLIPWAY_SDK=$(slipway_part sdk deps/sdk.lock)
SLIPWAY_VENV=$(slipway_part python deps/python.lock)
SLIPWAY_TOOLS=$(slipway_part tools deps/go.txt)
SLIPWAY_PROGRAMS=$(slipway_part programs deps/programs.lock)
SLIPWAY_FRAMEWORKS_VENV=$(slipway_part frameworks deps/frameworks.lock deps/frameworks-alone.lock)
export SLIPWAY_SDK SLIPWAY_VENV SLIPWAY_TOOLS SLIPWAY_PROGRAMS SLIPWAY_FRAMEWORKS_VENV
export SLIPWAY_PYTHON=$SLIPWAY_VENV/bin/python
# The Python with torch, TensorFlow and the like: tests start it for what serves or exports such a model.
export SLIPWAY_FRAMEWORKS=$SLIPWAY_FRAMEWORKS_VENV/bin/python
# Pythons with what the tests compare with, or with an older client: deps/peers-mlflow2.in, deps/peers-evidently.in.
SLIPWAY_MLFLOW2=$(slipway_part peers-mlflow2 deps/peers-mlflow2.lock)/bin/python
SLIPWAY_EVIDENTLY=$(slipway_part peers-evidently deps/peers-evidently.lock)/bin/python
export SLIPWAY_MLFLOW2 SLIPWAY_EVIDENTLY
SLIPWAY_DUCKDB=$(slipway_part duckdb deps/duckdb/package-lock.json)
export SLIPWAY_DUCKDB

slipway_path() {  # puts a folder in front of PATH, once
  case ":$PATH:" in *":$1:"*) ;; *) PATH=$1:$PATH ;; esac
}
slipway_path "$SLIPWAY_VENV/bin"
slipway_path "$SLIPWAY_TOOLS/bin"
slipway_path "$SLIPWAY_PROGRAMS/bin"
# Node.js and Go from the cache are there only when the machine has none that is new enough.
SLIPWAY_TOOLCHAINS=$(slipway_part toolchains deps/toolchains.lock)
export SLIPWAY_TOOLCHAINS
for folder in "$SLIPWAY_TOOLCHAINS"-node/bin "$SLIPWAY_TOOLCHAINS"-go/go/bin; do
  if [ -d "$folder" ]; then slipway_path "$folder"; fi
done
unset folder
export PATH
