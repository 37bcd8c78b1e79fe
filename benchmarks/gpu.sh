#!/bin/bash
# Measures training and search on a GPU and runs the tests marked gpu, in at most 8 minutes, and
# prints a Markdown table at the end. Network is not needed.
#
#     python benchmarks/gpu/prepare.py --data CORPORA --out build/gpu     # on any machine
#     bash benchmarks/gpu.sh build/gpu                                    # on the machine with a GPU
#     bash benchmarks/gpu.sh --smoke                                      # tiny sizes on a CPU
#
# Everything else that the parts print is in $OUT/gpu.log ($OUT: a temporary directory by default).
# Each part has a time limit, is skipped when little time is left, and a failure stops nothing.
# PYTHON names the interpreter, TIME_LIMIT the seconds for everything.
set -u
cd "$(dirname "$0")/.." || exit 1
PYTHON=${PYTHON:-python3}
TIME_LIMIT=${TIME_LIMIT:-470}
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
OUT=${OUT:-$(mktemp -d)}
LOGS=$SCRATCH/logs RUNS=$SCRATCH/runs
mkdir -p "$LOGS" "$OUT"
export PYTHONUNBUFFERED=1 PYTHONPATH=$PWD PYTHONDONTWRITEBYTECODE=1
export TORCHINDUCTOR_CACHE_DIR=$SCRATCH/inductor TRITON_CACHE_DIR=$SCRATCH/triton

go() {  # NAME LIMIT COMMAND...: run a part, never past the end
    local name=$1 limit=$2 begun=$SECONDS left=$((TIME_LIMIT - SECONDS)) status
    shift 2
    if [ "$left" -lt 12 ]; then
        printf '%s\t-1\t0\n' "$name" >> "$LOGS/parts.tsv"
        echo "$name: skipped, $left s left"
        return
    fi
    timeout -k 3 "$((limit < left ? limit : left))" "$@" > "$LOGS/$name.log" 2>&1
    status=$?
    printf '%s\t%s\t%s\n' "$name" "$status" "$((SECONDS - begun))" >> "$LOGS/parts.tsv"
    echo "$name: status $status after $((SECONDS - begun)) s, at $SECONDS s"
}

if [ "${1:-}" = --smoke ]; then
    BUNDLE=$SCRATCH/bundle
    "$PYTHON" benchmarks/gpu/prepare.py --out "$BUNDLE" --demo || exit 1
    DEVICE="--device cpu" PRECISION="--precision float32"
    TEST_FLAGS="" TESTS=$(grep -rl 'tests\.devices' tests --include='test_*.py')
    SMALL=tiny LARGE=tiny STEPS="--steps 4 --windows 4 --max-tokens 300" WARM="$STEPS" COMPILE=off
    RUN="--effective-tokens 300 --steps 6 --seconds 20 --interrupt 1"
    SEARCH="--lines 2,4 --beams 1,2 --rounds 1"
    KERNELS="--sizes tiny --rows 256 --vocab 1000 --rounds 1"
else
    BUNDLE=${1:-build/gpu}
    [ -f "$BUNDLE/bundle.json" ] || { echo "$BUNDLE: not made by benchmarks/gpu/prepare.py"; exit 1; }
    cp -r "$BUNDLE" "$SCRATCH/bundle" && BUNDLE=$SCRATCH/bundle
    DEVICE="--device cuda" PRECISION=""
    TEST_FLAGS="-m gpu" TESTS=$(grep -rlE 'mark\.gpu|tests\.devices' tests --include='test_*.py')
    "$PYTHON" -c 'import xdist' 2> /dev/null && TEST_FLAGS="$TEST_FLAGS -n 4"
    SMALL=S LARGE="B big" STEPS="" WARM="--steps 12 --windows 4" COMPILE=on
    RUN="" SEARCH="" KERNELS=""
    "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --target "$SCRATCH/site" \
        "$BUNDLE"/wheels/*.whl || echo "the wheels cannot be installed"
    PYTHONPATH=$PWD:$SCRATCH/site
fi
[ -d "$BUNDLE/data" ] || exit 1

train() {  # NAME LIMIT OPTION...
    local name=$1 limit=$2
    shift 2
    go "$name" "$limit" "$PYTHON" benchmarks/gpu/training.py --bundle "$BUNDLE" $DEVICE $PRECISION "$@"
}

go machine 30 "$PYTHON" benchmarks/gpu/machine.py
# In parallel, because these figures do not count: they fill the compilation caches for the timed parts.
for size in $LARGE; do
    train "warm-up-$size" 170 --size "$size" --compile "$COMPILE" --part warm-up $WARM &
done
go tests 180 "$PYTHON" -m pytest -q -rfE --tb=short -W default -p no:cacheprovider $TEST_FLAGS $TESTS &
go "run-$SMALL" 100 "$PYTHON" benchmarks/gpu/run.py --bundle "$BUNDLE" --size "$SMALL" \
    --out "$RUNS/small" $DEVICE $PRECISION --compile off $RUN &
wait
# One after the other, the most important first.
for size in $LARGE; do
    train "training-$size" 60 --size "$size" --compile "$COMPILE" --profile $STEPS
    train "eager-$size" 40 --size "$size" --compile off $STEPS
done
go run-large 70 "$PYTHON" benchmarks/gpu/run.py --bundle "$BUNDLE" --size "${LARGE%% *}" \
    --out "$RUNS/large" $DEVICE $PRECISION --compile "$COMPILE" $RUN
for run in "large/${LARGE%% *}" "small/$SMALL"; do
    go "search-${run%/*}" 60 "$PYTHON" benchmarks/gpu/search.py --bundle "$BUNDLE" \
        --model "$RUNS/$run/model" --name "${run#*/}" $DEVICE ${PRECISION:---precision fp16} $SEARCH
done
go kernels 45 "$PYTHON" benchmarks/gpu/kernels.py $DEVICE $KERNELS
train unaligned 90 --size "${LARGE%% *}" --compile "$COMPILE" --src-multiple 1 $STEPS
train accumulate 40 --size "${LARGE%% *}" --compile "$COMPILE" --batches 3 \
    ${STEPS:---max-tokens 8192 --steps 60}

for log in "$LOGS"/*.log; do
    echo "=== $(basename "$log" .log)"
    tail -c 400000 "$log"
done > "$OUT/gpu.log"
grep -h '^RESULT' "$LOGS"/*.log > "$OUT/results.jsonl"
"$PYTHON" benchmarks/gpu/table.py "$LOGS" | tee "$OUT/table.md"
echo "$SECONDS s; logs in $OUT"
