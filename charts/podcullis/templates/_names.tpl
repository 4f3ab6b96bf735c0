{{- define "podcullis.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of the release's objects; 50 characters, so that suffixes fit into 63. */}}
{{- define "podcullis.fullname" -}}
{{- $name := include "podcullis.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of a cluster-scoped object: releases in two namespaces must not share it. */}}
{{- define "podcullis.clusterName" -}}
{{- $name := include "podcullis.fullname" . -}}
{{- if eq $name .Release.Namespace -}}{{ $name }}{{- else -}}{{ printf "%s-%s" $name .Release.Namespace | trunc 253 }}{{- end -}}
{{- end -}}

{{- define "podcullis.serviceAccount" -}}
{{- if and (eq (toString .Values.serviceAccount.create) "false") (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false: serviceAccount.name has to name the account that there is" -}}
{{- end -}}
{{- default (include "podcullis.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{/* Whether roles are made. Values of an older release (--reuse-values) do not say. */}}
{{- define "podcullis.makesRoles" -}}
{{- if ne (toString (dig "create" true (default dict .Values.rbac))) "false" }}yes{{ end -}}
{{- end -}}

{{- define "podcullis.selectorLabels" -}}
app.kubernetes.io/name: {{ include "podcullis.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The labels of every object; those that select pods add a component. */}}
{{- define "podcullis.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: podcullis
{{ include "podcullis.selectorLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "podcullis.image" -}}
{{- $repository := .Values.image.repository -}}
{{- with .Values.global.imageRegistry -}}{{ $repository = printf "%s/%s" . $repository }}{{- end -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The Secret with tls.crt and tls.key. */}}
{{- define "podcullis.certificateSecret" -}}
{{- if eq .Values.certificates.mode "existing" -}}
{{- required "certificates.mode existing needs certificates.existing.secretName: the Secret with tls.crt and tls.key" .Values.certificates.existing.secretName -}}
{{- else -}}
{{- include "podcullis.fullname" . }}-tls
{{- end -}}
{{- end -}}

{{/* The names by which the API server may call the Service, one a line. */}}
{{- define "podcullis.dnsNames" -}}
{{- $service := printf "%s.%s.svc" (include "podcullis.fullname" .) .Release.Namespace -}}
- {{ $service }}
- {{ $service }}.cluster.local
{{- end -}}

{{/* 90 % of the memory limit in bytes, for GOMEMLIMIT; nothing without a limit. */}}
{{- define "podcullis.goMemoryLimit" -}}
{{- $limits := dig "limits" dict .Values.resources -}}
{{- with get $limits "memory" -}}
{{- $text := toString . -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 -}}
{{- if or (not (hasKey $units $unit)) (not (regexMatch "^[0-9]+(\\.[0-9]+)?[A-Za-z]*$" $text)) -}}
{{- fail (printf "resources.limits.memory: want a number with k, M, G, Ki, Mi or Gi, such as 512Mi, got %q" $text) -}}
{{- end -}}
{{- mulf (trimSuffix $unit $text | float64) (get $units $unit | float64) 0.9 | floor | int64 -}}
{{- end -}}
{{- end -}}

{{/* What the pods of the release have in common: the webhook, its test and the job at the end. */}}
{{- define "podcullis.podSecurityContext" -}}
{{- toYaml (default (dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault")) .Values.podSecurityContext) -}}
{{- end -}}

{{- define "podcullis.containerSecurityContext" -}}
{{- toYaml (default (dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL"))) .Values.securityContext) -}}
{{- end -}}

{{/* A pod that does one errand with the webhook's binary and ends. */}}
{{- define "podcullis.errandPod" -}}
{{- $c := .context -}}
restartPolicy: Never
serviceAccountName: {{ .account }}
enableServiceLinks: false
{{- with $c.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "podcullis.podSecurityContext" $c | nindent 2 }}
containers:
- name: {{ .name }}
  image: {{ include "podcullis.image" $c | quote }}
  imagePullPolicy: {{ $c.Values.image.pullPolicy }}
  args:
    {{- toYaml .args | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 32Mi}
    limits: {memory: 128Mi}
  securityContext:
    {{- include "podcullis.containerSecurityContext" $c | nindent 4 }}
{{- with $c.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $c.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The egress rules of a NetworkPolicy for pods that talk to the API server. */}}
{{- define "podcullis.apiServerEgress" -}}
- ports:
  {{- range .Values.networkPolicy.apiServerPorts }}
  - {protocol: TCP, port: {{ . }}}
  {{- end }}
  {{- with .Values.networkPolicy.apiServerCIDRs }}
  to:
  {{- range . }}
  - ipBlock: {cidr: {{ . | quote }}}
  {{- end }}
  {{- end }}
# Some providers give the API server a name instead of an address.
- ports:
  - {protocol: UDP, port: 53}
  - {protocol: TCP, port: 53}
{{- end }}

{{/* Whether guardrails are from a bundle; what does not fit to that is said here. */}}
{{- define "podcullis.bundle" -}}
{{- $b := .Values.bundle | default dict -}}
{{- if $b.address -}}
{{- if eq .Values.mode "warn" -}}
{{- fail "mode warn changes the actions of configuration, and with bundle.address they are those of the bundle: use audit or enforce" -}}
{{- end -}}
{{- if .Values.rego.configMaps -}}
{{- fail "rego.configMaps and bundle.address: a bundle holds the guardrails, so that they change with their configuration; leave one of them out" -}}
{{- end -}}
{{- if and (not $b.publicKeys) (not $b.allowUnsigned) -}}
{{- fail "bundle.address needs bundle.publicKeys, by which the bundle is signed; bundle.allowUnsigned takes it whoever made it" -}}
{{- end -}}
{{- if and $b.allowUnsigned (or $b.publicKeys $b.scope) -}}
{{- fail "bundle.allowUnsigned looks at no signature: leave out bundle.publicKeys and bundle.scope" -}}
{{- end -}}
{{- if and $b.tokenSecretName $b.registrySecretName -}}
{{- fail "bundle.tokenSecretName and bundle.registrySecretName: give one of them" -}}
{{- end -}}
true
{{- end -}}
{{- end -}}
