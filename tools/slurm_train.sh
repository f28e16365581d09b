#!/usr/bin/env bash
# Trains under Slurm, one task a GPU. From the environment: GPUS in all (4),
# GPUS_PER_NODE (as many as GPUS, at most 8), CPUS_PER_TASK (5), SRUN_ARGS
# (further options of srun, split at blanks), PORT of the first task, PYTHON.
set -euo pipefail
if (($# < 3)); then
    echo "usage: $0 PARTITION JOB_NAME CONFIG [WORK_DIR] [arguments of train.py]" >&2
    exit 2
fi
partition=$1 job_name=$2 config=$3
shift 3
# A fourth argument that is not an option is the work directory.
if (($#)) && [[ $1 != -* ]]; then
    work_dir=$1
    shift
    set -- --work-dir "$work_dir" "$@"
fi
gpus=${GPUS:-4}
whole_number() {  # NAME VALUE
    [[ $2 =~ ^[1-9][0-9]*$ ]] && return
    echo "error: $1=$2, expected a whole number of at least 1" >&2
    exit 2
}
whole_number GPUS "$gpus"
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
whole_number GPUS_PER_NODE "$per_node"
whole_number CPUS_PER_TASK "${CPUS_PER_TASK:-5}"
read -ra srun_args <<<"${SRUN_ARGS:-}"
python=${PYTHON:-$(command -v python || command -v python3)}
# mmengine reads the port by this name.
export MASTER_PORT=${PORT:-${MASTER_PORT:-29500}}

exec srun \
    --partition="$partition" \
    --job-name="$job_name" \
    --gres="gpu:$per_node" \
    --ntasks="$gpus" \
    --ntasks-per-node="$per_node" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    ${srun_args[@]+"${srun_args[@]}"} \
    "$python" -u "$(dirname "$0")/train.py" "$config" --launcher slurm "$@"
