{{- define "maru.name" -}}
{{- /* KEDA's names are 17 signs longer, and a service's begins with a letter. */ -}}
{{- $name := .Release.Name | trunc 39 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}{{ fail (printf "the release's name must have letters, digits and -, and begin with a letter: %s" $name) }}{{ end -}}
{{- $name -}}
{{- end -}}

{{/* What all pods of this release share: the service finds both tracks by it. */}}
{{- define "maru.selector" -}}
app.kubernetes.io/name: maru-inference
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "maru.labels" -}}
{{ include "maru.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* Seconds from SIGTERM to the end, after those before it. */}}
{{- define "maru.grace" -}}
{{- add 25 (int (default 20 .Values.settings.SHUTDOWN_SECONDS)) -}}
{{- end -}}

{{- define "maru.routed" -}}
{{- if .Values.route.parents }}true{{ end -}}
{{- end -}}

{{/* Pods of the canary where pods share the requests: the whole number that comes nearest to the weight, at least one for any weight. */}}
{{- define "maru.canaryReplicas" -}}
{{- if include "maru.routed" . -}}
{{- .Values.replicas -}}
{{- else if not .Values.canary.weight -}}
0
{{- else -}}
{{- max 1 (round (divf (mulf .Values.replicas .Values.canary.weight) (subf 100 .Values.canary.weight)) 0 | int) -}}
{{- end -}}
{{- end -}}

{{/* What the values say together and can't mean. */}}
{{- define "maru.check" -}}
{{- with .Values -}}
{{- if and .blob.url (not .workloadIdentity.clientId) }}{{ fail "blob.url needs workloadIdentity.clientId: the weights are read by an identity, not by a key" }}{{ end -}}
{{- if and (or .keys.inference .keys.repository) (not .keys.secret) }}{{ fail "keys.secret must name the Secret that holds the keys that are switched on" }}{{ end -}}
{{- if eq .autoscaling.by "queue" -}}
{{- if not .autoscaling.queue.address }}{{ fail "autoscaling.queue.address must say where Prometheus is" }}{{ end -}}
{{- if not .monitor.enabled }}{{ fail "autoscaling by queue needs monitor.enabled: Prometheus must read what waits" }}{{ end -}}
{{- if and (contains ".prometheus.monitor.azure.com" .autoscaling.queue.address) (not .autoscaling.queue.clientId) }}{{ fail "Azure Monitor's Prometheus needs autoscaling.queue.clientId" }}{{ end -}}
{{- end -}}
{{- if and .route.parents (not .keys.inference) (not .route.open) }}{{ fail "a route lets everybody in who reaches the gateway: switch on keys.inference, or say route.open" }}{{ end -}}
{{- if gt (int .autoscaling.minimum) (int .autoscaling.maximum) }}{{ fail "autoscaling.minimum is greater than its maximum" }}{{ end -}}
{{- if .canary.enabled -}}
{{- if not .canary.digest }}{{ fail "canary.digest must name the canary's image" }}{{ end -}}
{{- if and (ne .autoscaling.by "none") (not .route.parents) }}{{ fail "a canary beside autoscaling needs route.parents: by pods alone its share would move with their number" }}{{ end -}}
{{- if and (not .route.parents) .canary.weight -}}
{{- $pods := include "maru.canaryReplicas" $ | int -}}
{{- $share := round (divf (mulf 100 $pods) (add $pods .replicas)) 0 -}}
{{- if gt (float64 .canary.weight) 50.0 }}{{ fail "without route.parents a canary has at most 50 %" }}{{ end -}}
{{- if or (gt (subf $share .canary.weight) 5.0) (gt (subf .canary.weight $share) 5.0) }}{{ fail (printf "%d pods beside %v give a canary %v %%, not %v: have more replicas, or route.parents" $pods .replicas $share .canary.weight) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Settings of the server (inference-container/settings.ts); the rest is written in the image. */}}
{{- define "maru.environment" -}}
{{- if or .Values.requiredModels .Values.blob.url .Values.keys.inference .Values.keys.repository .Values.settings -}}
env:
{{- with .Values.requiredModels }}
  - { name: REQUIRED_MODELS, value: {{ join "," . | quote }} }
{{- end }}
{{- if .Values.blob.url }}
  - { name: MODEL_BLOB_URL, value: {{ printf "%s/%s" (trimSuffix "/" .Values.blob.url) .Values.blob.container | quote }} }
{{- end }}
{{- if .Values.keys.inference }}
  - name: INFERENCE_KEY
    valueFrom: { secretKeyRef: { name: {{ .Values.keys.secret | quote }}, key: INFERENCE_KEY } }
{{- end }}
{{- if .Values.keys.repository }}
  - name: REPOSITORY_KEY
    valueFrom: { secretKeyRef: { name: {{ .Values.keys.secret | quote }}, key: REPOSITORY_KEY } }
{{- end }}
{{- range $name, $value := .Values.settings }}
  - { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end -}}
{{- end -}}
