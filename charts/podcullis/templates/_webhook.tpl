{{/* What the two webhooks have in common. Namespaces are left out by a label that
the API server sets, so that nobody else can leave one out. */}}
{{- define "podcullis.webhook" -}}
{{- $c := .context -}}
{{- $e := .entry -}}
admissionReviewVersions: [v1]
sideEffects: None
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
{{- $conditions := concat (include "podcullis.leftOut" ($e.leaveOut | default dict) | fromYamlArray) $e.matchConditions }}
{{- with $conditions }}
matchConditions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The conditions by which the API server leaves out what nobody has to judge. An error in
one would be failurePolicy's to decide, so nothing is read that may not be there: every
field that can be missing is asked for with has(), and what is no Pod or Binding of the core
group, or another operation, is called about before anything else is looked at. */}}
{{- define "podcullis.leftOut" -}}
{{- if .unchangedStatus }}
- name: podcullis.io/status-that-changes-labels
  expression: >-
    !(request.operation == 'UPDATE' && request.resource.group == '' && request.resource.resource == 'pods'
    && has(request.subResource) && request.subResource == 'status')
    || (has(object.metadata.labels) ? object.metadata.labels : {}) != (has(oldObject.metadata.labels) ? oldObject.metadata.labels : {})
    || (has(oldObject.status) && has(oldObject.status.phase) && oldObject.status.phase in ['Succeeded', 'Failed']
    && !(has(object.status) && has(object.status.phase) && object.status.phase in ['Succeeded', 'Failed']))
{{- end }}
{{- if .unlabelledBindings }}
- name: podcullis.io/binding-with-labels
  expression: >-
    !(request.operation == 'CREATE' && request.resource.group == '' && (request.resource.resource == 'bindings'
    || (request.resource.resource == 'pods' && has(request.subResource) && request.subResource == 'binding')))
    || (has(object.metadata.labels) && size(object.metadata.labels) > 0)
{{- end }}
{{- if .podDeletions }}
- name: podcullis.io/not-a-deletion-of-a-pod
  expression: >-
    !(request.operation == 'DELETE' && request.resource.group == '' && request.resource.resource == 'pods')
{{- end }}
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
