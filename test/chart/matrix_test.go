package chart

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/render"
)

const (
	chartDir  = "../../charts/podcullis"
	namespace = "netpol-guard" // neither the release's name nor the chart's
)

// dimensions are choices that do not depend on each other, each a piece of values.
// The matrix is their product.
var dimensions = [][]string{
	{"", "mode: warn", "mode: enforce\nwebhook: {netpols: {failurePolicy: Fail}, workloads: {failurePolicy: Fail, timeoutSeconds: 2}}"},
	{"", issuer, selfManaged, existing},
	{"", everythingOn, everythingOff},
}

const (
	issuer = `
certificates: {certManager: {issuerRef: {name: house, kind: ClusterIssuer, group: cert-manager.io}}}`
	selfManaged = `
certificates: {mode: self-managed}`
	existing = `
certificates:
  mode: existing
  existing: {secretName: my-tls, caBundle: "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n"}`
	everythingOff = `
replicas: 1
events: false
networkPolicy: {enabled: false}
selfGuard: {enabled: false}
tests: {enabled: false}
uninstall: {enabled: false}
priorityClassName: ""
podDisruptionBudget: {enabled: false}
resources: {requests: null, limits: null}
configuration: {exclude: {namespaces: []}}
fullnameOverride: gate`
	everythingOn = `
replicas: 3
audit: {enabled: true, interval: 30m, metricsByNamespace: true}
selfGuard: {allowCutOff: true}
configuration:
  podNetwork: [10.244.0.0/16, "fd00:10:244::/56"]
  guardrails:
  - {name: default-deny, guardrail: default-deny, action: warn, match: {excludedNamespaces: [sandbox], namespaceSelector: {matchLabels: {isolated: "yes"}}, kinds: [Pod]}, parameters: {directions: [Ingress]}}
  - name: frontend-never-reaches-db
    guardrail: forbidden-paths
    action: deny
    parameters: {from: {podSelector: {matchLabels: {tier: frontend}}}, to: {podSelector: {matchLabels: {tier: db}}}}
  exemptions:
  - {name: window, guardrails: [default-deny], match: {namespaces: [legacy]}, reason: ticket NET-42, expires: "2099-01-31"}
rego: {configMaps: [our.guardrails, more]}
webhook:
  annotations: {example.com/owner: net}
  netpols:
    excludedNamespaces: [cilium]
    namespaceSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: Exists}]}
    objectSelector: {matchExpressions: [{key: helm.sh/hook, operator: DoesNotExist}]}
    matchConditions: [{name: not-the-backup, expression: "request.userInfo.username != 'system:serviceaccount:velero:velero'"}]
  workloads:
    matchConditions: [{name: labels-change, expression: "request.subResource != 'status' || !has(oldObject.metadata.labels) || !has(object.metadata.labels) || object.metadata.labels != oldObject.metadata.labels"}]
certificates: {clients: {caSecretName: clients, names: [kube-apiserver]}}
image: {repository: registry.example.com/net/podcullis-webhook, digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", pullPolicy: Always, pullSecrets: [{name: registry}]}
resources: {limits: {memory: 1.5Gi, cpu: "2"}}
log: {format: text, level: debug}
reloadPeriod: 500ms
drainTimeout: 1m30s
extraArgs: [--drain-timeout=10s]
global: {imageRegistry: mirror.example.com}
extraVolumes: [{name: zone, emptyDir: {}}]
extraVolumeMounts: [{name: zone, mountPath: /zone}]
extraObjects:
- {apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: "{{ .Release.Name }}-extra", labels: {app.kubernetes.io/instance: guard}}, value: 7}
- |
  apiVersion: scheduling.k8s.io/v1
  kind: PriorityClass
  metadata:
    name: {{ include "podcullis.fullname" . }}-text
    labels:
      {{- include "podcullis.labels" . | nindent 4 }}
  value: 8
extraEnv: [{name: TZ, value: UTC}, {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
annotations: {example.com/owner: net}
strategy: {rollingUpdate: {maxSurge: 2}}
podSecurityContext: {fsGroup: 2000, runAsUser: 2000}
podAnnotations: {example.com/scrape: "true"}
podLabels: {team: net}
commonLabels: {cost-centre: "42"}
priorityQuota: true
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [a]}]}]}}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app.kubernetes.io/name: podcullis}}}]
podDisruptionBudget: {minAvailable: 50%}
apiPriorityAndFairness: {enabled: true}
serviceAccount: {name: judge, annotations: {example.com/role: reader}}
service: {annotations: {example.com/lb: "no"}, port: 8443}
ports: {webhook: 10250, metrics: 9090, probes: 9091}
networkPolicy:
  apiServerCIDRs: [172.16.0.0/28]
  apiServerPorts: [6443]
  metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  extraEgress: [{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}]
serviceMonitor: {enabled: true, interval: 15s, labels: {release: prometheus}, annotations: {a: b}, scrapeTimeout: 10s, relabelings: [{action: labeldrop, regex: endpoint}], metricRelabelings: [{action: drop, sourceLabels: [__name__], regex: go_.*}]}
prometheusRule: {enabled: true, labels: {release: prometheus}, disabled: [PodcullisDown], slowSeconds: 0.5, certificateDays: 14, alertLabels: {team: net}}
dashboard: {enabled: true, annotations: {grafana_folder: Network}}
tests: {namespace: kube-public}
nameOverride: gatekeeping`
)

// combination is one point of the matrix.
type combination struct {
	name   string
	pieces []string
}

// matrix yields every combination.
func matrix() iter.Seq[combination] {
	return func(yield func(combination) bool) {
		for m, mode := range dimensions[0] {
			for c, certificates := range dimensions[1] {
				for f, features := range dimensions[2] {
					name := []string{"Audit", "Warn", "Enforce"}[m] + []string{"OwnCA", "Issuer", "SelfManaged", "Existing"}[c] + []string{"", "EverythingOn", "EverythingOff"}[f]
					if !yield(combination{name, []string{mode, certificates, features}}) {
						return
					}
				}
			}
		}
	}
}

// rendered renders the chart with pieces of values, later ones over earlier ones.
func rendered(t *testing.T, pieces ...string) (release, error) {
	t.Helper()
	c := render.Chart{Path: chartDir, ReleaseName: "guard", Namespace: namespace, Hooks: true}
	for i, piece := range pieces {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("%d.yaml", i))
		if err := os.WriteFile(file, []byte(piece), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Values = append(c.Values, file)
	}
	texts, err := c.Render(t.Context())
	return release{texts: texts}, err
}

// install renders what has to render.
func install(t *testing.T, pieces ...string) release {
	t.Helper()
	r, err := rendered(t, pieces...)
	if err != nil {
		t.Fatal(err)
	}
	r.decode(t)
	return r
}

func everything(texts []manifest.Text) string {
	var b strings.Builder
	for _, text := range texts {
		b.Write(text.Data)
	}
	return b.String()
}
