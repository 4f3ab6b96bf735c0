{{/* What the two webhooks have in common. Namespaces are left out by a label that
the API server sets, so that nobody else can leave one out. */}}
{{- define "podcullis.webhook" -}}
{{- $c := .context -}}
{{- $e := .entry -}}
admissionReviewVersions: [v1]
# strict writes what it allows to the ledger, and nothing for a dry run.
sideEffects: {{ ternary "NoneOnDryRun" "None" (eq (include "podcullis.consistency" $c) "strict") }}
matchPolicy: Equivalent
failurePolicy: {{ $e.failurePolicy }}
timeoutSeconds: {{ $e.timeoutSeconds }}
clientConfig:
  service:
    namespace: {{ $c.Release.Namespace }}
    name: {{ include "podcullis.fullname" $c }}
    path: /validate
    port: {{ $c.Values.service.port }}
  {{- with $c.Values.certificates.existing.caBundle }}
  {{- if eq $c.Values.certificates.mode "existing" }}
  caBundle: {{ b64enc . }}
  {{- end }}
  {{- end }}
namespaceSelector:
  {{- with $e.namespaceSelector.matchLabels }}
  matchLabels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values:
      {{- concat (list $c.Release.Namespace) $e.excludedNamespaces | uniq | toYaml | nindent 6 }}
  {{- with $e.namespaceSelector.matchExpressions }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $e.objectSelector }}
objectSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $e.matchConditions }}
matchConditions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Whether something else than the server lets only API servers call it. */}}
{{- define "podcullis.knownCallers" -}}
{{- if and .Values.networkPolicy.enabled .Values.networkPolicy.apiServerCIDRs (not .Values.hostNetwork) }}true{{ end -}}
{{- end -}}

{{/* What the server makes of an empty consistency, by the same rule. */}}
{{- define "podcullis.consistency" -}}
{{- if .Values.consistency -}}
{{ .Values.consistency }}
{{- else if eq .Values.mode "audit" -}}
local
{{- else -}}
{{ ternary "strict" "local" (or (ne .Values.certificates.clients.caSecretName "") (ne (include "podcullis.knownCallers" .) "")) }}
{{- end -}}
{{- end -}}

{{- define "podcullis.ledger" -}}
{{ include "podcullis.fullname" . }}-ledger
{{- end -}}

{{/* All webhooks. The server compares what is there with a copy of this text, in the
ConfigMap (docs/adr/0013-drift.md). */}}
{{- define "podcullis.webhooks" -}}
# What decides about paths. Every subresource by which labels can change is here.
- name: netpols.podcullis.io
  {{- include "podcullis.webhook" (dict "context" . "entry" .Values.webhook.netpols) | nindent 2 }}
  rules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [namespaces, namespaces/status, namespaces/finalize]
    scope: "*"
  - apiGroups: [networking.k8s.io]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [networkpolicies]
    scope: "*"
# What the paths join.
- name: workloads.podcullis.io
  {{- include "podcullis.webhook" (dict "context" . "entry" .Values.webhook.workloads) | nindent 2 }}
  rules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [pods, pods/status, pods/binding, bindings, replicationcontrollers]
    scope: "*"
  - apiGroups: [apps]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [deployments, statefulsets, daemonsets, replicasets]
    scope: "*"
  - apiGroups: [batch]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [jobs, cronjobs]
    scope: "*"
  {{- range include "podcullis.extraWorkloads" . | fromJsonArray }}
  - apiGroups: [{{ .group }}]
    apiVersions: [{{ .version }}]
    operations: [CREATE, UPDATE, DELETE]
    resources: [{{ .resource }}]
    scope: "*"
  {{- end }}
{{- end -}}

{{/* The extraWorkloads with the presets as guardrail/extra.go has them, as JSON. */}}
{{- define "podcullis.extraWorkloads" -}}
{{- $presets := dict
  "argo-rollouts" (dict "group" "argoproj.io" "version" "v1alpha1" "resource" "rollouts" "kind" "Rollout")
  "openshift-deploymentconfigs" (dict "group" "apps.openshift.io" "version" "v1" "resource" "deploymentconfigs" "kind" "DeploymentConfig") -}}
{{- $all := list -}}
{{- range .Values.configuration.extraWorkloads -}}
{{- $all = append $all (ternary (get $presets (toString .)) . (kindIs "string" .)) -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}

{{/* Whether a pod that starts asks the others what they remember. It has no client
certificate to show them. */}}
{{- define "podcullis.copiesMemory" -}}
{{- if not .Values.certificates.clients.caSecretName }}true{{ end -}}
{{- end -}}

{{/* The CA of the certificate, where the values have it. */}}
{{- define "podcullis.caBundle" -}}
{{- if eq .Values.certificates.mode "existing" }}{{ .Values.certificates.existing.caBundle }}{{ end -}}
{{- end -}}

{{/* The drain's seconds, 5 more for what is in flight and 15 to spare. */}}
{{- define "podcullis.gracePeriod" -}}
{{- $d := .Values.drainTimeout -}}
{{- $seconds := 0 -}}
{{- range regexFindAll "[0-9]+[ms]" $d -1 -}}
{{- $seconds = add $seconds (mul (regexFind "[0-9]+" .) (ternary 60 1 (hasSuffix "m" .))) -}}
{{- end -}}
{{- add $seconds 20 -}}
{{- end -}}
