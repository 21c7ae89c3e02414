#!/bin/bash
# serve.sh <port> <model.onnx> <cores>     POST /predict {"ids"|"x": [[...]]}; ready: GET /health
# PEER_SETUP=documented: as Flask's and gunicorn's documentation have it ("gunicorn -w 4 'hello:app'", twice the cores); it
# closes a connection after each answer. PEER_SETUP=tuned: connections kept, another JSON library, gunicorn's parser in C.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
port=$1 cores=$3; export MODEL_PATH=$(realpath "$2") OMP_NUM_THREADS=1
cd "$here"; gunicorn="${PEER_VENV:-$here/venv}/bin/gunicorn"; bind="${PEER_HOST:-127.0.0.1}:$port"
if [ "${PEER_SETUP:-tuned}" = documented ]; then
  export PEER_JSON=default
  exec "$gunicorn" -w $((2 * cores)) -b "$bind" app:app
fi
exec "$gunicorn" app:app --bind "$bind" \
  --workers "${PEER_WORKERS:-$cores}" --worker-class "${PEER_CLASS:-gthread}" --threads "${PEER_THREADS:-4}" \
  --http-parser "${PEER_PARSER:-auto}" --keep-alive 30 --worker-tmp-dir /dev/shm --log-level warning
