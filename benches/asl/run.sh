#!/bin/sh
# Lint time per state, next to npm's asl-validator and PyPI's statelint: run.sh FOLDER
# FOLDER holds definitions, as corpora/aws-samples-workflows/definitions. Their packages go to a folder of their own.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(cd "$1" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target/asl-bench}
cargo run --quiet --release --manifest-path "$here/Cargo.toml" --target-dir "$target" -- "$folder"
mkdir -p "$target/npm"
cd "$target"
if command -v npm >/dev/null; then
  cd npm
  test -d node_modules/asl-validator || npm install --silent --no-audit --no-fund asl-validator@4
  node "$here/validator.mjs" "$folder"
  cd ..
else
  echo "asl-validator: npm is not at hand"
fi
if command -v python3 >/dev/null; then
  test -d venv || { python3 -m venv venv && venv/bin/pip install --quiet statelint==3.1.0; }
  venv/bin/python "$here/statelint_time.py" "$folder"
else
  echo "statelint: Python is not at hand"
fi
