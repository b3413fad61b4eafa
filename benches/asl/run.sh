#!/bin/sh
# Lint time per state, next to npm's asl-validator: run.sh FOLDER
# FOLDER holds definitions, as corpora/aws-samples-workflows/definitions. npm's packages go to a folder of their own.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(cd "$1" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target/asl-bench}
cargo run --quiet --release --manifest-path "$here/Cargo.toml" --target-dir "$target" -- "$folder"
command -v npm >/dev/null || { echo "asl-validator: npm is not at hand"; exit 0; }
mkdir -p "$target/npm"
cd "$target/npm"
test -d node_modules/asl-validator || npm install --silent --no-audit --no-fund asl-validator@4
node "$here/validator.mjs" "$folder"
