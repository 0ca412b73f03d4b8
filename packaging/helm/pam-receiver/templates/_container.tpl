{{- define "pam-receiver.container" -}}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
env:
  - name: PAM_RECEIVER_CONFIG
    value: /etc/pam-receiver/settings/settings.toml
  - name: PAM_RECEIVER_DATABASE
    value: {{ .Values.database.url | quote }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: ["ALL"]
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - name: settings
    mountPath: /etc/pam-receiver/settings
    readOnly: true
  - name: database
    mountPath: /etc/pam-receiver/database
    readOnly: true
  {{- if .Values.keySecret }}
  - name: keys
    mountPath: /etc/pam-receiver/keys
    readOnly: true
  {{- end }}
  {{- if not .Values.tls.plain }}
  - name: tls
    mountPath: /etc/pam-receiver/tls
    readOnly: true
  {{- end }}
  - name: tmp
    mountPath: /tmp
{{- end }}
