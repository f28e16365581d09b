#!/usr/bin/env bash
# Trains in NPROC processes: one a GPU, or over gloo on a machine without one.
# From the environment: NNODES, NODE_RANK, MASTER_ADDR and PORT (two runs on
# one machine need two ports), and PYTHON, the interpreter.
set -euo pipefail
if (($# < 2)); then
    echo "usage: $0 CONFIG NPROC [arguments of train.py]" >&2
    exit 2
fi
config=$1 nproc=$2
shift 2
python=${PYTHON:-$(command -v python || command -v python3)}

exec "$python" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-${MASTER_PORT:-29500}}" \
    --nproc_per_node="$nproc" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
