#!/usr/bin/env bash
# Evaluates in NPROC processes: one a GPU, or over gloo on a machine without one.
# From the environment: NNODES, NODE_RANK, MASTER_ADDR and PORT (two runs on
# one machine need two ports), TORCHRUN_ARGS (further options of torchrun, split at
# blanks: '--standalone --max-restarts=3') and PYTHON, the interpreter.
set -euo pipefail
if (($# < 3)); then
    echo "usage: $0 CONFIG CHECKPOINT NPROC [arguments of test.py]" >&2
    exit 2
fi
config=$1 checkpoint=$2 nproc=$3
shift 3
python=${PYTHON:-$(command -v python || command -v python3)}
here=$(dirname "$0")
read -ra torchrun_args <<<"${TORCHRUN_ARGS:-}"

exec "$python" "$here/misc/launch.py" \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-${MASTER_PORT:-29500}}" \
    --nproc_per_node="$nproc" \
    ${torchrun_args[@]+"${torchrun_args[@]}"} \
    "$here/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
