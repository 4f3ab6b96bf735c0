{{/* What the two webhooks that judge have in common. Namespaces are left out by a label that
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
{{- $conditions := concat (include "podcullis.leftOut" ($e.leaveOut | default dict) | fromYamlArray) $e.matchConditions }}
{{- with $conditions }}
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

{{/* Owners and labels of what makes pods change by way of its status, too. One that leaves both
as they are has nothing to be judged. Nothing is read that may not be there: an error would
let it pass under Ignore. */}}
{{- define "podcullis.statusOfMakers" -}}
- name: podcullis.io/status-that-changes-owners-or-labels
  expression: >-
    !(request.operation == 'UPDATE' && has(request.subResource) && request.subResource == 'status'
    && request.resource.group in ['', 'apps', 'batch'] && request.resource.resource != 'pods')
    || (has(object.metadata.labels) ? object.metadata.labels : {}) != (has(oldObject.metadata.labels) ? oldObject.metadata.labels : {})
    || (has(object.metadata.ownerReferences) ? object.metadata.ownerReferences : []) != (has(oldObject.metadata.ownerReferences) ? oldObject.metadata.ownerReferences : [])
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
  {{- $workloads := deepCopy .Values.webhook.workloads }}
  {{- $_ := set $workloads "matchConditions" (concat (include "podcullis.statusOfMakers" . | fromYamlArray) $workloads.matchConditions) }}
  {{- include "podcullis.webhook" (dict "context" . "entry" $workloads) | nindent 2 }}
  rules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [pods, pods/status, pods/binding, bindings, replicationcontrollers, replicationcontrollers/status]
    scope: "*"
  - apiGroups: [apps]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [deployments, deployments/status, statefulsets, statefulsets/status, daemonsets, daemonsets/status, replicasets, replicasets/status]
    scope: "*"
  - apiGroups: [batch]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [jobs, jobs/status, cronjobs, cronjobs/status]
    scope: "*"
  {{- range include "podcullis.extraWorkloads" . | fromJsonArray }}
  - apiGroups: [{{ .group }}]
    apiVersions: [{{ .version }}]
    operations: [CREATE, UPDATE, DELETE]
    resources: [{{ .resource }}]
    scope: "*"
  {{- end }}
  {{- if include "podcullis.entries" . }}
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [services]
    scope: "*"
  - apiGroups: [networking.k8s.io]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [ingresses]
    scope: "*"
  - apiGroups: [gateway.networking.k8s.io]
    apiVersions: ["*"]
    operations: [CREATE, UPDATE, DELETE]
    resources: [httproutes, grpcroutes, tlsroutes, tcproutes, udproutes]
    scope: "*"
  {{- end }}
{{- if .Values.selfGuard.enabled }}
# What would cut Podcullis itself off. It is never in the way of a recovery.
- name: self.podcullis.io
  admissionReviewVersions: [v1]
  sideEffects: None
  matchPolicy: Equivalent
  failurePolicy: Ignore
  timeoutSeconds: 3
  clientConfig:
    service:
      namespace: {{ .Release.Namespace }}
      name: {{ include "podcullis.fullname" . }}
      path: /self
      port: {{ .Values.service.port }}
    {{- with include "podcullis.caBundle" . }}
    caBundle: {{ b64enc . }}
    {{- end }}
  namespaceSelector:
    matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: In
      values: [{{ .Release.Namespace }}]
  matchConditions:
  # A kubelet that reports waits for nobody.
  - name: labels-change
    expression: "request.resource.resource != 'pods' || request.operation != 'UPDATE' || !has(oldObject.metadata.labels) || !has(object.metadata.labels) || object.metadata.labels != oldObject.metadata.labels"
  rules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [UPDATE, DELETE]
    resources: [services]
    scope: Namespaced
  - apiGroups: [networking.k8s.io]
    apiVersions: [v1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [networkpolicies]
    scope: Namespaced
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE, UPDATE]
    resources: [pods, pods/status, replicationcontrollers]
    scope: Namespaced
  - apiGroups: [apps]
    apiVersions: [v1]
    operations: [CREATE, UPDATE]
    resources: [deployments, statefulsets, daemonsets, replicasets]
    scope: Namespaced
  - apiGroups: [batch]
    apiVersions: [v1]
    operations: [CREATE, UPDATE]
    resources: [jobs, cronjobs]
    scope: Namespaced
  - apiGroups: [discovery.k8s.io]
    apiVersions: [v1]
    operations: [CREATE, UPDATE]
    resources: [endpointslices]
    scope: Namespaced
{{- end }}
{{- if (.Values.customResources).enabled }}
# Guardrails and exemptions that are objects. Nothing but these is refused when nobody answers,
# and to delete an exemption is never asked about: nothing may hold up the end of a namespace.
- name: resources.podcullis.io
  admissionReviewVersions: [v1]
  sideEffects: None
  matchPolicy: Equivalent
  failurePolicy: Fail
  timeoutSeconds: 5
  clientConfig:
    service:
      namespace: {{ .Release.Namespace }}
      name: {{ include "podcullis.fullname" . }}
      path: /resources
      port: {{ .Values.service.port }}
    {{- with include "podcullis.caBundle" . }}
    caBundle: {{ b64enc . }}
    {{- end }}
  rules:
  - apiGroups: [podcullis.io]
    apiVersions: [v1alpha1]
    operations: [CREATE, UPDATE, DELETE]
    resources: [guardrails]
    scope: Cluster
  - apiGroups: [podcullis.io]
    apiVersions: [v1alpha1]
    operations: [CREATE, UPDATE]
    resources: [exemptions, exemptions/status]
    scope: Namespaced
{{- end }}
{{- end -}}

{{/* What the server is in the cluster, for its self-guard. */}}
{{- define "podcullis.self" -}}
namespace: {{ .Release.Namespace }}
service: {{ include "podcullis.fullname" . }}
deployment: {{ include "podcullis.fullname" . }}
servicePort: {{ .Values.service.port }}
portName: https
podPort: {{ .Values.ports.webhook }}
selector:
  {{- include "podcullis.selectorLabels" . | nindent 2 }}
  app.kubernetes.io/component: webhook
webhookConfiguration: {{ include "podcullis.clusterName" . }}
apiServer:
  cidrs: {{ toJson .Values.networkPolicy.apiServerCIDRs }}
  ports: {{ toJson .Values.networkPolicy.apiServerPorts }}
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

{{/* Whether a guardrail asks what Services, Ingresses and routes lead to. */}}
{{- define "podcullis.entries" -}}
{{- $asks := .Values.watchEntries -}}
{{- range .Values.configuration.guardrails -}}
{{- if eq (toString .guardrail) "exposed-to-outside" -}}
{{- $through := dig "through" (list "service") (.parameters | default dict) -}}
{{- if or (has "service" $through) (has "ingress" $through) (has "route" $through) -}}
{{- $asks = true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $asks }}true{{ end -}}
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
