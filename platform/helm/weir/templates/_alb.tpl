{{/* The annotations of the AWS Load Balancer Controller.  Streams are long and
of unequal length: the target with the fewest of them gets the next request.
No ALB waits for more than an hour. */}}
{{- define "weir.alb" -}}
{{- $alb := .Values.ingress.alb -}}
{{- $leave := $alb.deregistrationDelaySeconds -}}
{{- if kindIs "invalid" $leave }}{{ $leave = min 3600 (include "weir.grace" .) }}{{ end -}}
alb.ingress.kubernetes.io/scheme: {{ $alb.scheme }}
alb.ingress.kubernetes.io/target-type: ip
alb.ingress.kubernetes.io/backend-protocol-version: HTTP1
alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds={{ int $alb.idleTimeoutSeconds }},routing.http.drop_invalid_header_fields.enabled=true
alb.ingress.kubernetes.io/target-group-attributes: deregistration_delay.timeout_seconds={{ int $leave }},load_balancing.algorithm.type=least_outstanding_requests
{{- with $alb.healthCheck }}
alb.ingress.kubernetes.io/healthcheck-path: {{ .path }}
alb.ingress.kubernetes.io/healthcheck-interval-seconds: {{ int .intervalSeconds | quote }}
alb.ingress.kubernetes.io/healthcheck-timeout-seconds: {{ int .timeoutSeconds | quote }}
alb.ingress.kubernetes.io/healthy-threshold-count: {{ int .healthyThreshold | quote }}
alb.ingress.kubernetes.io/unhealthy-threshold-count: {{ int .unhealthyThreshold | quote }}
alb.ingress.kubernetes.io/success-codes: "200"
{{- end }}
{{- if $alb.https }}
alb.ingress.kubernetes.io/listen-ports: '[{"HTTP":80},{"HTTPS":443}]'
alb.ingress.kubernetes.io/ssl-redirect: "443"
alb.ingress.kubernetes.io/ssl-policy: {{ $alb.sslPolicy }}
{{- with $alb.certificateArn }}
alb.ingress.kubernetes.io/certificate-arn: {{ . }}
{{- end }}
{{- else }}
alb.ingress.kubernetes.io/listen-ports: '[{"HTTP":80}]'
{{- end }}
{{- with $alb.inboundCidrs }}
alb.ingress.kubernetes.io/inbound-cidrs: {{ join "," . }}
{{- end }}
{{- with $alb.wafAclArn }}
alb.ingress.kubernetes.io/wafv2-acl-arn: {{ . }}
{{- end }}
{{- end -}}
