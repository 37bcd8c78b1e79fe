#!/usr/bin/env bash
# Build a wheel, install it without extras in a clean environment, run a short demo with it and translate a line.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# Built in a copy, so that an installation of the checkout at the same time does not matter.
mkdir "$dir/source"
cp -R mtkit pyproject.toml constraints.txt README.md LICENSE "$dir/source"
cd "$dir" # so that the installed package is imported, not the checkout
"${PYTHON:-python3}" -m venv venv
pip() { venv/bin/python -m pip --quiet --disable-pip-version-check "$@"; }
pip wheel --no-deps ./source
pip install --no-compile --constraint source/constraints.txt mtkit-*.whl
venv/bin/mtkit demo --output demo --max-steps "${CI_DEMO_STEPS:-100}" > demo.log
model=$(find demo -name config.json -path '*model*' -print -quit)
lines=$(echo '나는 학교에 간다' | venv/bin/mtkit translate - --model "$(dirname "$model")" | wc -l)
[ "$lines" = 1 ] || { echo "check_wheel: $lines lines for one line" >&2; exit 1; }
echo "the wheel works: $(basename mtkit-*.whl)"
