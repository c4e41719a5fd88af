{{/* The models that are installed, each with the defaults below it, by key. */}}
{{- define "vllm.models" -}}
{{- $models := dict -}}
{{- range $key, $model := .Values.models -}}
{{- $whole := include "vllm.over" (dict "base" $.Values.defaults "over" $model) | fromJson -}}
{{- if $whole.enabled -}}
{{- $_ := set $whole "key" $key -}}
{{- $_ := set $models $key $whole -}}
{{- end -}}
{{- end -}}
{{- toJson $models -}}
{{- end -}}

{{/* One map laid over another.  mergeOverwrite would keep what is below an
empty list, a zero or a false. */}}
{{- define "vllm.over" -}}
{{- $out := deepCopy .base -}}
{{- range $key, $value := .over -}}
{{- $below := get $out $key -}}
{{- if and (kindIs "map" $below) (kindIs "map" $value) -}}
{{- $value = include "vllm.over" (dict "base" $below "over" $value) | fromJson -}}
{{- end -}}
{{- $_ := set $out $key $value -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- define "vllm.commonSelector" -}}
app.kubernetes.io/name: vllm
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What selects the pods of one model. */}}
{{- define "vllm.selector" -}}
{{ include "vllm.commonSelector" .root }}
app.kubernetes.io/component: {{ .model.key }}
{{- end -}}

{{- define "vllm.commonLabels" -}}
app.kubernetes.io/part-of: weir
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{- define "vllm.labels" -}}
{{ include "vllm.selector" . }}
app.kubernetes.io/version: {{ .model.image.tag | default .root.Chart.AppVersion | trunc 63 | quote }}
weir.dev/model: {{ .model.servedName | replace "/" "_" | trunc 63 | quote }}
{{ include "vllm.commonLabels" .root }}
{{- end -}}

{{/* Of an object that belongs to one model. */}}
{{- define "vllm.metadata" -}}
name: {{ .model.name }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "vllm.labels" . | nindent 2 }}
{{- end -}}

{{/* Of an object that all models share. */}}
{{- define "vllm.sharedMetadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "vllm.commonSelector" .root | nindent 2 }}
  {{- include "vllm.commonLabels" .root | nindent 2 }}
{{- end -}}

{{- define "vllm.image" -}}
{{ .image.repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .tag }}{{ end }}
{{- end -}}
