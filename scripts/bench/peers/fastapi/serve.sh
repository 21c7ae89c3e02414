#!/bin/bash
# serve.sh <port> <model.onnx> <cores>     POST /predict {"ids"|"x": [[...]]}; ready: GET /health
# PEER_SETUP=documented: "fastapi run --workers N", and "def" for a library that can't be awaited, as its documentation has it
# (the model runs in a pool of threads, so that health is answered meanwhile). PEER_SETUP=tuned: the model runs on the event
# loop ("async def": health waits for it), without an access log.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
port=$1 cores=$3; export MODEL_PATH=$(realpath "$2") OMP_NUM_THREADS=1
cd "$here"; bin="${PEER_VENV:-$here/venv}/bin"; host="${PEER_HOST:-127.0.0.1}"
if [ "${PEER_SETUP:-tuned}" = documented ]; then
  export PEER_STYLE=def
  exec "$bin/fastapi" run --host "$host" --port "$port" --workers "$cores" app.py
fi
exec "$bin/uvicorn" app:app --host "$host" --port "$port" \
  --workers "${PEER_WORKERS:-$cores}" --no-access-log --log-level warning
