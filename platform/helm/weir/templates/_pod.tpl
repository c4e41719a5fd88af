{{/* The environment of a router. */}}
{{- define "weir.env" -}}
{{- range include "weir.secretKeys" . | fromJsonArray }}
- name: {{ . }}
  valueFrom:
    secretKeyRef: { name: {{ $.Values.secret.name }}, key: {{ . }} }
{{- end }}
{{- if .Values.langfuse.enabled }}
{{- $langfuse := dict "LANGFUSE_BASE_URL" .Values.langfuse.baseUrl }}
{{- range $name, $value := merge (deepCopy .Values.langfuse.env) $langfuse }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- end }}
{{- if .Values.otel.enabled }}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: NODE_NAME
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
{{- $otel := dict
  "OTEL_EXPORTER_OTLP_ENDPOINT" .Values.otel.endpoint
  "OTEL_EXPORTER_OTLP_PROTOCOL" .Values.otel.protocol
  "OTEL_RESOURCE_ATTRIBUTES" (printf "k8s.namespace.name=%s,k8s.pod.name=$(POD_NAME),k8s.node.name=$(NODE_NAME)" .Release.Namespace) }}
{{- range $name, $value := merge (deepCopy .Values.otel.env) $otel }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "weir.probe" -}}
httpGet: { path: {{ .path }}, port: http }
{{ toYaml .times }}
{{- end -}}

{{- define "weir.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "weir.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{/* One constraint of topologySpreadConstraints: over zones or hosts. Each
revision is spread by itself, so that an update does not leave a crowd. */}}
{{- define "weir.spread" -}}
- maxSkew: 1
  topologyKey: {{ .key }}
  whenUnsatisfiable: {{ .when }}
  labelSelector:
    matchLabels: {{- include "weir.selector" .root | nindent 6 }}
  matchLabelKeys: [{{ ternary "controller-revision-hash" "pod-template-hash" .root.Values.persistence.enabled }}]
{{- end -}}

{{- define "weir.pod" -}}
metadata:
  labels:
    {{- include "weir.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/config: {{ include "weir.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "weir.serviceAccount" . }}
  automountServiceAccountToken: false
  # A Service named like one of the router's variables must not configure it.
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  terminationGracePeriodSeconds: {{ include "weir.grace" . }}
  securityContext:
    {{- include "weir.podSecurity" . | nindent 4 }}
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
  containers:
    - name: weir
      image: {{ include "weir.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/weir/weir.yaml]
      {{- with include "weir.env" . | trim }}
      env: {{- . | nindent 8 }}
      {{- end }}
      ports:
        - { name: http, containerPort: 8080, protocol: TCP }
      startupProbe: {{- include "weir.probe" (dict "path" "/health" "times" .Values.probes.startup) | nindent 8 }}
      livenessProbe: {{- include "weir.probe" (dict "path" "/health" "times" .Values.probes.liveness) | nindent 8 }}
      readinessProbe: {{- include "weir.probe" (dict "path" "/ready" "times" .Values.probes.readiness) | nindent 8 }}
      {{- with .Values.drain.preStopSeconds }}
      lifecycle:
        preStop: { sleep: { seconds: {{ . }} } }
      {{- end }}
      resources: {{- toYaml .Values.resources | nindent 8 }}
      securityContext: {{- include "weir.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - { name: config, mountPath: /etc/weir, readOnly: true }
        {{- if include "weir.keepsData" . }}
        - { name: data, mountPath: /var/lib/weir }
        {{- end }}
  volumes:
    - name: config
      configMap: { name: {{ include "weir.fullname" . }} }
    {{- if and (include "weir.keepsData" .) (not .Values.persistence.enabled) }}
    - name: data
      emptyDir: { sizeLimit: {{ .Values.emptyDirSize }} }
    {{- end }}
  topologySpreadConstraints:
    {{- include "weir.spread" (dict "key" "topology.kubernetes.io/zone" "when" .Values.spread.zones "root" .) | nindent 4 }}
    {{- include "weir.spread" (dict "key" "kubernetes.io/hostname" "when" .Values.spread.hosts "root" .) | nindent 4 }}
  {{- range $field := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
  {{- with index $.Values $field }}
  {{ $field }}: {{ toJson . }}
  {{- end }}
  {{- end }}
{{- end -}}

{{- define "weir.keepsData" -}}
{{- if or (include "weir.keepsLedger" .) (include "weir.keepsSpool" .) .Values.persistence.enabled }}yes{{ end -}}
{{- end -}}
