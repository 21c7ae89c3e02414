#!/bin/bash
# serve.sh <port> <model.onnx> <cores>     POST /predict {"ids"|"x": [[...]]}; ready: GET /health
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
port=$1 cores=$3; export MODEL_PATH=$(realpath "$2") OMP_NUM_THREADS=1
cd "$here"
exec "${PEER_VENV:-$here/venv}/bin/gunicorn" app:app --bind "${PEER_HOST:-127.0.0.1}:$port" \
  --workers "${PEER_WORKERS:-$cores}" --worker-class "${PEER_CLASS:-gthread}" --threads "${PEER_THREADS:-4}" \
  --http-parser "${PEER_PARSER:-auto}" --keep-alive 30 --worker-tmp-dir /dev/shm --log-level warning
