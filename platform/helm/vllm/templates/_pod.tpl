{{/* The arguments of `vllm serve`. */}}
{{- define "vllm.args" -}}
- /models/{{ include "vllm.folder" . }}
- --served-model-name={{ .model.servedName }}
- --host=0.0.0.0
- --port=8000
- --max-model-len={{ .model.maxModelLen }}
- --max-num-seqs={{ .model.maxNumSeqs }}
- --gpu-memory-utilization={{ .model.gpuMemoryUtilization }}
- --tensor-parallel-size={{ .model.gpus }}
- --shutdown-timeout={{ .model.drain.timeoutSeconds }}
{{- with .model.toolCallParser }}
- --enable-auto-tool-choice
- --tool-call-parser={{ . }}
{{- end }}
{{- with .root.Values.tracing.endpoint }}
- --otlp-traces-endpoint={{ . }}
{{- end }}
{{- with .model.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "vllm.folder" -}}
{{ .model.weights.prefix | default .model.servedName }}
{{- end -}}

{{/* Nothing is fetched, nothing is reported, and all that is written goes to
/cache.  Without USER PyTorch looks the user up in /etc/passwd and fails. */}}
{{- define "vllm.env" -}}
- { name: HF_HUB_OFFLINE, value: "1" }
- { name: TRANSFORMERS_OFFLINE, value: "1" }
- { name: VLLM_NO_USAGE_STATS, value: "1" }
- { name: HOME, value: /cache }
- { name: USER, value: vllm }
- { name: XDG_CACHE_HOME, value: /cache }
- { name: XDG_CONFIG_HOME, value: /cache/config }
- { name: VLLM_CACHE_ROOT, value: /cache/vllm }
- { name: TRITON_CACHE_DIR, value: /cache/triton }
- { name: TORCHINDUCTOR_CACHE_DIR, value: /cache/inductor }
- { name: NUMBA_CACHE_DIR, value: /cache/numba }
- { name: FLASHINFER_WORKSPACE_BASE, value: /cache }
{{- if .root.Values.tracing.endpoint }}
- { name: OTEL_SERVICE_NAME, value: {{ .model.name }} }
{{- end }}
{{- with .model.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "vllm.probe" -}}
httpGet: { path: /health, port: http }
{{ toYaml . }}
{{- end -}}

{{- define "vllm.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* Alone it has the role that reads the weights. */}}
{{- define "vllm.fetch" -}}
- name: weights
  image: {{ include "vllm.image" (dict "image" .root.Values.weights.image "tag" "") }}
  imagePullPolicy: {{ .root.Values.weights.image.pullPolicy }}
  command: [/bin/sh, /fetch/fetch-weights.sh]
  env:
    {{- with .root.Values.weights }}
    - { name: SOURCE, value: "s3://{{ required "say weights.bucket, or weights.existingClaim" .bucket }}/{{ include "vllm.folder" $ }}" }
    - { name: TARGET, value: "/models/{{ include "vllm.folder" $ }}" }
    - { name: MANIFEST_SHA256, value: {{ $.model.weights.manifestSha256 | quote }} }
    - { name: ENDPOINT_URL, value: {{ .endpointUrl | quote }} }
    - { name: HOME, value: /tmp/home }
    {{- with .region }}
    - { name: AWS_REGION, value: {{ . }} }
    {{- end }}
    {{- end }}
  resources: {{- toYaml .root.Values.weights.resources | nindent 4 }}
  securityContext: {{- include "vllm.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - { name: fetch, mountPath: /fetch, readOnly: true }
    - { name: models, mountPath: /models }
    - { name: tmp, mountPath: /tmp }
{{- end -}}

{{- define "vllm.serve" -}}
{{- $model := .model -}}
- name: vllm
  image: {{ include "vllm.image" (dict "image" $model.image "tag" .root.Chart.AppVersion) }}
  imagePullPolicy: {{ $model.image.pullPolicy }}
  command: [vllm, serve]
  args: {{- include "vllm.args" . | nindent 4 }}
  env: {{- include "vllm.env" . | nindent 4 }}
  ports:
    - { name: http, containerPort: 8000, protocol: TCP }
  {{- range $probe := list "startup" "readiness" "liveness" }}
  {{ $probe }}Probe: {{- include "vllm.probe" (get $model.probes $probe) | nindent 4 }}
  {{- end }}
  lifecycle:
    preStop: { sleep: { seconds: {{ $model.drain.preStopSeconds }} } }
  {{- $gpus := dict "nvidia.com/gpu" (toString $model.gpus) }}
  {{- $disk := dict "ephemeral-storage" $model.weights.sizeLimit }}
  resources:
    requests: {{- toYaml (merge (dict) $model.resources.requests $gpus (ternary (dict) $disk (ne .root.Values.weights.existingClaim ""))) | nindent 6 }}
    limits: {{- toYaml (merge (dict) $model.resources.limits $gpus) | nindent 6 }}
  securityContext: {{- include "vllm.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - { name: models, mountPath: /models, readOnly: true }
    - { name: cache, mountPath: /cache }
    - { name: tmp, mountPath: /tmp }
    - { name: shm, mountPath: /dev/shm }
{{- end -}}

{{- define "vllm.volumes" -}}
{{- with .root.Values.weights.existingClaim }}
- name: models
  persistentVolumeClaim: { claimName: {{ . }}, readOnly: true }
{{- else }}
- name: models
  emptyDir: { sizeLimit: {{ .model.weights.sizeLimit }} }
- name: fetch
  configMap: { name: vllm-fetch }
{{- end }}
- name: cache
  emptyDir: { sizeLimit: 10Gi }
- name: tmp
  emptyDir: { sizeLimit: 2Gi }
- name: shm
  emptyDir: { medium: Memory, sizeLimit: {{ .model.shmSize }} }
{{- end -}}
