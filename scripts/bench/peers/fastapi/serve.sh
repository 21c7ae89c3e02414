#!/bin/bash
# serve.sh <port> <model.onnx> <cores>     POST /predict {"ids"|"x": [[...]]}; ready: GET /health
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
port=$1 cores=$3; export MODEL_PATH=$(realpath "$2") OMP_NUM_THREADS=1
cd "$here"
exec "${PEER_VENV:-$here/venv}/bin/uvicorn" app:app --host "${PEER_HOST:-127.0.0.1}" --port "$port" \
  --workers "${PEER_WORKERS:-$cores}" --no-access-log --log-level warning
