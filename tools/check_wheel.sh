#!/usr/bin/env bash
# Build a wheel, install it without extras in a clean environment, train a few steps with it and translate a line.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
dir=$(mktemp -d)
trap 'rm -rf "$dir" build' EXIT
rm -rf build
.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$dir" .
.venv/bin/python -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
    --constraint "$root/constraints.txt" "$dir"/mtkit-*.whl
cd "$dir" # so that the installed package is imported, not the checkout
venv/bin/mtkit demo --output demo --max-steps 10 > demo.log
model=$(find demo -name config.json -path '*model*' -print -quit)
lines=$(echo '나는 학교에 간다' | venv/bin/mtkit translate - --model "$(dirname "$model")" | wc -l)
[ "$lines" = 1 ] || { echo "check_wheel: $lines lines for one line" >&2; exit 1; }
echo "the wheel works: $(basename "$dir"/mtkit-*.whl)"
