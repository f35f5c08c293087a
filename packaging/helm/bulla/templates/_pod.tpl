{{/* What both programs may do: nothing but their work. */}}
{{- define "bulla.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}
{{- define "bulla.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
{{- define "bulla.probes" -}}
livenessProbe:
  httpGet: {path: /live, port: metrics}
readinessProbe:
  httpGet: {path: /ready, port: metrics}
{{- end -}}
