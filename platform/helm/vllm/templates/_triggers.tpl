{{/* How many requests per second want this model and the local tier does not
serve them; of those that it serves, only that there are some: they keep it
awake, and are no reason for one more replica. */}}
{{- define "vllm.demandQuery" -}}
{{- $wanted := printf "weir_local_wanted_total{namespace=%q,backend=%q,served" .root.Values.router.namespace .model.backend -}}
{{- $window := .model.scaling.demand.window -}}
sum(rate({{ $wanted }}!="local"}[{{ $window }}])) + clamp_max(sum(rate({{ $wanted }}="local"}[{{ $window }}])), 0.1)
{{- end -}}

{{/* Requests in vLLM.  It does not exist while vLLM does not: this never wakes
anybody. */}}
{{- define "vllm.queueQuery" -}}
{{- $of := printf "{namespace=%q,model_name=%q}" .root.Release.Namespace .model.servedName -}}
sum(vllm:num_requests_waiting{{ $of }}) + sum(vllm:num_requests_running{{ $of }})
{{- end -}}

{{- define "vllm.triggers" -}}
{{- $scaling := .model.scaling -}}
- type: prometheus
  name: demand
  metadata:
    serverAddress: {{ .root.Values.prometheus.serverAddress | quote }}
    query: {{ $scaling.demand.query | default (include "vllm.demandQuery" .) | squote }}
    threshold: {{ $scaling.demand.threshold | toString | quote }}
    activationThreshold: {{ $scaling.demand.activationThreshold | toString | quote }}
    # the router always counts: nothing means that it is not seen
    ignoreNullValues: "false"
- type: prometheus
  name: queue
  metadata:
    serverAddress: {{ .root.Values.prometheus.serverAddress | quote }}
    query: {{ $scaling.queue.query | default (include "vllm.queueQuery" .) | squote }}
    threshold: {{ $scaling.queue.threshold | toString | quote }}
    activationThreshold: {{ $scaling.queue.activationThreshold | toString | quote }}
    # nothing means that vLLM sleeps
    ignoreNullValues: "true"
{{- range $i, $hours := $scaling.warm }}
- type: cron
  name: warm-{{ $i }}
  metadata:
    timezone: {{ $hours.timezone | quote }}
    start: {{ $hours.start | quote }}
    end: {{ $hours.end | quote }}
    desiredReplicas: {{ $hours.replicas | toString | quote }}
{{- end }}
{{- end -}}
