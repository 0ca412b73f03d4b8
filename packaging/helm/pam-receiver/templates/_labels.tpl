{{- define "pam-receiver.selector" -}}
app.kubernetes.io/name: pam-receiver
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "pam-receiver.labels" -}}
{{ include "pam-receiver.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
