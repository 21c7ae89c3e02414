#!/bin/bash
# serve.sh <port> <model.onnx> <cores>     POST /v2/models/<file name without .onnx>/infer (V2 JSON); ready: GET /v2/health/ready
# also listens on port+1 (gRPC) and port+2 (metrics): MLServer starts all three.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
port=$1 cores=$3 model=$(realpath "$2"); name=$(basename "$model" .onnx)
export OMP_NUM_THREADS=1 PYTHONPATH="$here"
run="${PEER_RUN:-$here/run}/$port"; rm -rf "$run"; mkdir -p "$run/$name"; cd "$run"
cat >settings.json <<J
{ "debug": false, "host": "${PEER_HOST:-127.0.0.1}", "http_port": $port, "grpc_port": $((port + 1)), "metrics_port": $((port + 2)),
  "parallel_workers": ${PEER_WORKERS:-1} }
J
cat >"$name/model-settings.json" <<J
{ "name": "$name", "implementation": "onnx_runtime.OnnxModel", "parameters": { "uri": "$model" },
  "max_batch_size": ${PEER_BATCH:-32}, "max_batch_time": ${PEER_BATCH_TIME:-0.005} }
J
exec "${PEER_VENV:-$here/venv}/bin/mlserver" start "$run"
