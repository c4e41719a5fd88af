{{/* What is kept on disk: `enabled`, or else as persistence.enabled says. */}}
{{- define "weir.keeps" -}}
{{- $own := (index .Values .what).enabled -}}
{{- if kindIs "bool" $own }}{{ ternary "yes" "" $own }}{{ else }}{{ ternary "yes" "" .Values.persistence.enabled }}{{ end -}}
{{- end -}}

{{- define "weir.keepsLedger" -}}{{ include "weir.keeps" (dict "Values" .Values "what" "ledger") }}{{- end -}}
{{- define "weir.keepsSpool" -}}{{ include "weir.keeps" (dict "Values" .Values "what" "spool") }}{{- end -}}

{{/* Seconds from a pod's last day in the Service to its end. */}}
{{- define "weir.grace" -}}
{{- with .Values.drain }}{{ add .preStopSeconds .delaySeconds .timeoutSeconds .flushSeconds }}{{ end -}}
{{- end -}}

{{/* Behind an ALB the router must keep idle connections for longer than the
ALB does, or the ALB sends a request into one that is being closed: a 502. */}}
{{- define "weir.hasAlb" -}}
{{- if and .Values.ingress.enabled .Values.ingress.alb.enabled }}yes{{ end -}}
{{- end -}}

{{/* weir.yaml: `config`, and what the chart decides. */}}
{{- define "weir.config" -}}
{{- $timeouts := dict "drain" (printf "%ds" (int .Values.drain.timeoutSeconds)) "drain_delay" (printf "%ds" (int .Values.drain.delaySeconds)) -}}
{{- if include "weir.hasAlb" . -}}
{{- $_ := set $timeouts "keep_alive" (printf "%ds" (add 30 .Values.ingress.alb.idleTimeoutSeconds)) -}}
{{- end -}}
{{- $ours := dict "listen" (dict "host" "0.0.0.0" "port" 8080) "timeouts" $timeouts -}}
{{- if include "weir.keepsLedger" . -}}
{{- $_ := set $ours "ledger" (dict "path" "/var/lib/weir/ledger.db" "max_age" .Values.ledger.maxAge "max_bytes" .Values.ledger.maxBytes) -}}
{{- end -}}
{{- if include "weir.keepsSpool" . -}}
{{- $_ := set $ours "telemetry" (dict "spool_dir" "/var/lib/weir/spool" "spool_bytes" .Values.spool.maxBytes "spool_age" .Values.spool.maxAge) -}}
{{- end -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $ours) -}}
{{- end -}}

{{- define "weir.secretKeys" -}}
{{- $keys := .Values.secret.keys -}}
{{- if .Values.langfuse.enabled -}}
{{- $keys = concat $keys (list "LANGFUSE_PUBLIC_KEY" "LANGFUSE_SECRET_KEY") | uniq -}}
{{- end -}}
{{- toJson $keys -}}
{{- end -}}

{{/* What the chart decides in weir.yaml, and by which of its values. */}}
{{- define "weir.owned" -}}
listen.host: nothing, the container listens on all addresses
listen.port: service.port, the container listens on 8080
timeouts.drain: drain.timeoutSeconds
timeouts.drain_delay: drain.delaySeconds
ledger.path: ledger.enabled
ledger.max_age: ledger.maxAge
ledger.max_bytes: ledger.maxBytes
telemetry.spool_dir: spool.enabled
telemetry.spool_bytes: spool.maxBytes
telemetry.spool_age: spool.maxAge
langfuse.public_key: secret.keys (LANGFUSE_PUBLIC_KEY)
langfuse.secret_key: secret.keys (LANGFUSE_SECRET_KEY)
{{- end -}}

{{/* Fails with a secret's place, never with the secret. */}}
{{- define "weir.reference" -}}
{{- if and .value (not (regexMatch "^(\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}|file:.+)$" .value)) -}}
{{- fail (printf "%s holds a secret itself: values end up in release records and logs. Put it into the Secret %s, name it in secret.keys, and write ${NAME} here" .place .root.Values.secret.name) -}}
{{- end -}}
{{- end -}}

{{/* Secrets in other places, where most values are none. */}}
{{- define "weir.plainSecrets" -}}
{{- range .Values.env -}}
{{- if and .value (regexMatch "(KEY|TOKEN|SECRET|PASSWORD|HEADERS)$" .name) (not (regexMatch "^(/|file:)" .value)) -}}
{{- fail (printf "env holds the value of %s itself: use valueFrom, or secret.keys" .name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := merge (dict) .Values.otel.env .Values.langfuse.env -}}
{{- if regexMatch "(KEY|HEADERS)$" $name -}}
{{- fail (printf "%s bears secrets: put it into the Secret, and into secret.keys" $name) -}}
{{- end -}}
{{- end -}}
{{- $proxies := list .Values.config.proxy -}}
{{- range .Values.config.backends }}{{ $proxies = append $proxies .proxy }}{{ end -}}
{{- range $proxies -}}
{{- if and . (regexMatch "://[^/]*:[^/]*@" .) (not (contains "${" .)) -}}
{{- fail "a proxy in config bears its password: write the whole of it as ${NAME}, and name that in secret.keys" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Mistakes that a schema does not see, before anything is installed. */}}
{{- define "weir.checks" -}}
{{- range $path, $by := include "weir.owned" . | fromYaml -}}
{{- $part := splitList "." $path -}}
{{- if hasKey (index $.Values.config (first $part) | default dict) (last $part) -}}
{{- fail (printf "config.%s is the chart's own: use %s" $path $by) -}}
{{- end -}}
{{- end -}}
{{- range $n, $backend := .Values.config.backends -}}
{{- include "weir.reference" (dict "place" (printf "config.backends[%d].api_key" $n) "value" $backend.api_key "root" $) -}}
{{- end -}}
{{- range $n, $key := .Values.config.keys -}}
{{- include "weir.reference" (dict "place" (printf "config.keys[%d].secret" $n) "value" $key.secret "root" $) -}}
{{- end -}}
{{- range $section, $option := dict "admin" "token" "local" "api_key" "cloud" "api_key" -}}
{{- $value := index (index $.Values.config $section | default dict) $option -}}
{{- include "weir.reference" (dict "place" (printf "config.%s.%s" $section $option) "value" $value "root" $) -}}
{{- end -}}
{{- include "weir.plainSecrets" . -}}
{{- $known := include "weir.secretKeys" . | fromJsonArray -}}
{{- range .Values.env }}{{ $known = append $known .name }}{{ end -}}
{{- range regexFindAll "\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}" (toYaml .Values.config) -1 -}}
{{- $name := trimSuffix "}" (trimPrefix "${" .) -}}
{{- if not (has $name $known) -}}
{{- fail (printf "config uses ${%s}, but neither secret.keys nor env has it" $name) -}}
{{- end -}}
{{- end -}}
{{- with .Values.ingress -}}
{{- if .enabled -}}
{{- if not (or $.Values.config.keys .withoutKeys) -}}
{{- fail "ingress.enabled without config.keys: whoever reaches the Ingress spends your money. Give callers keys, or set ingress.withoutKeys if something before it asks who they are" -}}
{{- end -}}
{{- if .alb.enabled -}}
{{- if and .alb.https (not .alb.certificateArn) (not .hosts) -}}
{{- fail "ingress.alb.https needs ingress.alb.certificateArn, or ingress.hosts by which the controller finds a certificate" -}}
{{- end -}}
{{- if and (eq .alb.scheme "internet-facing") (not .alb.https) -}}
{{- fail "ingress.alb.scheme internet-facing without ingress.alb.https: prompts and keys would cross the internet in the clear" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.autoscaling -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- if and (eq .type "hpa") (eq (int .cpuPercent) 0) (not .metrics) -}}
{{- fail "autoscaling.type hpa needs autoscaling.cpuPercent or autoscaling.metrics" -}}
{{- end -}}
{{- end -}}
{{- end -}}
