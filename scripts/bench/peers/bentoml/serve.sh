#!/bin/bash
# serve.sh <port> <model.onnx> <cores>     POST /predict {"ids"|"x": [[...]]}; ready: GET /readyz
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
port=$1 cores=$3; export MODEL_PATH=$(realpath "$2") OMP_NUM_THREADS=1
export PEER_WORKERS="${PEER_WORKERS:-$cores}" BENTOML_HOME="${BENTOML_HOME:-$here/home}" BENTOML_DO_NOT_TRACK=True
mkdir -p "$BENTOML_HOME"; cd "$here"; venv="${PEER_VENV:-$here/venv}"; export PATH="$venv/bin:$PATH"
exec "$venv/bin/bentoml" serve service:OnnxService --host "${PEER_HOST:-127.0.0.1}" --port "$port"
