{{- define "maru.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
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
{{- if and (eq .autoscaling.by "queue") (not .autoscaling.queue.address) }}{{ fail "autoscaling.queue.address must say where Prometheus is" }}{{ end -}}
{{- if gt (int .autoscaling.minimum) (int .autoscaling.maximum) }}{{ fail "autoscaling.minimum is greater than its maximum" }}{{ end -}}
{{- if .canary.enabled -}}
{{- if not .canary.digest }}{{ fail "canary.digest must name the canary's image" }}{{ end -}}
{{- if and (ne .autoscaling.by "none") (not .route.parents) }}{{ fail "a canary beside autoscaling needs route.parents: by pods alone its share would move with their number" }}{{ end -}}
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
  - { name: MODEL_BLOB_URL, value: {{ .Values.blob.url | quote }} }
  - { name: MODEL_BLOB_CONTAINER, value: {{ .Values.blob.container | quote }} }
{{- end }}
{{- if .Values.keys.inference }}
  - name: INFERENCE_KEY
    valueFrom: { secretKeyRef: { name: {{ .Values.keys.secret }}, key: INFERENCE_KEY } }
{{- end }}
{{- if .Values.keys.repository }}
  - name: REPOSITORY_KEY
    valueFrom: { secretKeyRef: { name: {{ .Values.keys.secret }}, key: REPOSITORY_KEY } }
{{- end }}
{{- range $name, $value := .Values.settings }}
  - { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end -}}
{{- end -}}
