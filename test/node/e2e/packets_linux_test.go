package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// townPorts are what everybody in the town of TestPackets serves.
var townPorts = []string{"tcp/80", "tcp/5432", "tcp/8080", "tcp/8081", "tcp/8082", "udp/8080"}

// citizen is a pod of the town.
type citizen struct {
	namespace, name string
	labels          map[string]string
	ports           []corev1.ContainerPort // what it gives names to
}

var town = []citizen{
	{"west", "web", map[string]string{"app": "web"}, nil},
	{"west", "api", map[string]string{"app": "api"}, []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}},
	{"west", "api-new", map[string]string{"app": "api"}, []corev1.ContainerPort{{Name: "http", ContainerPort: 8081}}},
	{"west", "db", map[string]string{"app": "db"}, []corev1.ContainerPort{{Name: "sql", ContainerPort: 5432}, {Name: "sql-stats", ContainerPort: 8080, Protocol: corev1.ProtocolUDP}}},
	{"east", "web", map[string]string{"app": "web"}, []corev1.ContainerPort{{Name: "http", ContainerPort: 8082}}},
	{"east", "batch", map[string]string{"app": "batch"}, nil},
}

// TestPackets compares Podcullis with packets, in one town under different netpols.
func TestPackets(t *testing.T) {
	c := start(t)
	c.namespaces(t, "west", "east")
	for _, citizen := range town {
		c.apply(t, citizen.manifest(t))
	}
	c.awaitReady(t, len(town), "west", "east")

	// In this order: each state of the town is made of the one before.
	steps := []struct {
		name, reason string
		remove       string // netpols of west that go
		netpols      string // netpols of west that come
		attack       func(t *testing.T)
		expect       string
	}{
		{
			name: "NoNetpols", reason: "nobody is isolated",
			expect: `
				open west/web -> west/db tcp/5432
				open 203.0.113.10 -> west/db tcp/5432
				open east/batch -> 198.51.100.7 udp/8080`,
		},
		{
			name: "NamedPortsAreThoseOfWhoeverIsReached", reason: "two pods give one name to different numbers",
			netpols: `
- metadata: {name: api}
  spec: {podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: http}]}]}
- metadata: {name: web}
  spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: http}]}, {to: [{podSelector: {matchLabels: {app: db}}}], ports: [{protocol: UDP, port: sql-stats}]}]}
- metadata: {name: db}
  spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{ports: [{port: sql}, {protocol: TCP, port: sql-stats}, {protocol: UDP, port: sql-stats}]}]}`,
			expect: `
				open west/web -> west/api tcp/8080
				blocked west/web -> west/api tcp/8081
				open west/web -> west/api-new tcp/8081
				blocked west/web -> west/api-new tcp/8080
				open west/web -> east/web tcp/8082
				blocked west/web -> 203.0.113.10 tcp/8080
				blocked west/web -> west/db tcp/5432
				open west/web -> west/db udp/8080
				open 203.0.113.10 -> west/db tcp/5432
				blocked 203.0.113.10 -> west/db tcp/8080
				blocked east/batch -> west/api tcp/8080`,
		},
		{
			name: "EndPortIsInclusive", reason: "a range has both its ends; a protocol without a port is all of it",
			remove: "api web db",
			netpols: `
- metadata: {name: api}
  spec: {podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress], ingress: [{ports: [{port: 8080, endPort: 8081}]}]}
- metadata: {name: db}
  spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{ports: [{protocol: UDP}]}]}
- metadata: {name: web}
  spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: 81, endPort: 8081}]}]}`,
			expect: `
				blocked east/batch -> west/api tcp/80
				open east/batch -> west/api tcp/8080
				open east/batch -> west/api tcp/8081
				blocked east/batch -> west/api tcp/8082
				blocked east/batch -> west/api udp/8080
				open east/batch -> west/db udp/8080
				blocked east/batch -> west/db tcp/5432
				open west/web -> 203.0.113.10 tcp/5432
				blocked west/web -> 203.0.113.10 tcp/80
				blocked west/web -> 203.0.113.10 tcp/8082`,
		},
		{
			name: "IPBlocks", reason: "an exception is not let in by that block, and may be by another; a block that holds pods lets them in",
			remove: "api web db",
			netpols: `
- metadata: {name: web}
  spec:
    podSelector: {matchLabels: {app: web}}
    policyTypes: [Ingress, Egress]
    ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.64/26]}}], ports: [{port: 80}]}]
    egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.0/28]}}]}, {to: [{ipBlock: {cidr: 203.0.113.10/32}}], ports: [{port: 8080}]}]
- metadata: {name: db}
  spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 198.18.1.0/24}}], ports: [{port: 5432}]}]}
- metadata: {name: api}
  spec: {podSelector: {matchLabels: {app: api}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: sql}]}]}`,
			expect: `
				open 203.0.113.10 -> west/web tcp/80
				blocked 203.0.113.77 -> west/web tcp/80
				blocked 198.51.100.7 -> west/web tcp/80
				blocked 203.0.113.10 -> west/web tcp/8080
				blocked east/batch -> west/web tcp/80
				open west/web -> 203.0.113.77 tcp/5432
				open west/web -> 203.0.113.10 tcp/8080
				blocked west/web -> 203.0.113.10 tcp/5432
				blocked west/web -> west/db tcp/5432
				open east/batch -> west/db tcp/5432
				blocked 203.0.113.10 -> west/db tcp/5432`,
		},
		{
			name: "NamespaceSelectors", reason: "in one element both selectors must match; alone, a namespaceSelector is all pods there, and never the outside",
			remove: "api web db",
			netpols: `
- metadata: {name: db}
  spec:
    podSelector: {matchLabels: {app: db}}
    policyTypes: [Ingress]
    ingress:
    - {from: [{namespaceSelector: {matchLabels: {side: east}}, podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}
    - {from: [{namespaceSelector: {}}], ports: [{port: 80}]}
- metadata: {name: api}
  spec:
    podSelector: {matchLabels: {app: api}}
    policyTypes: [Ingress, Egress]
    ingress: [{from: [{podSelector: {matchLabels: {app: web}}}, {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: east}}}]}]
    egress: [{to: [{namespaceSelector: {matchExpressions: [{key: side, operator: NotIn, values: [west]}]}}]}]`,
			expect: `
				open east/web -> west/db tcp/5432
				blocked west/web -> west/db tcp/5432
				blocked east/batch -> west/db tcp/5432
				open east/batch -> west/db tcp/80
				blocked 203.0.113.10 -> west/db tcp/80
				open west/web -> west/api tcp/8082
				blocked west/db -> west/api tcp/8082
				open east/batch -> west/api tcp/8082
				open west/api -> east/batch tcp/8082
				blocked west/api -> west/db tcp/80
				blocked west/api -> 203.0.113.10 tcp/80`,
		},
		{
			name: "NamespaceLabelAttack", reason: "whoever labels a namespace moves all its pods",
			attack: func(t *testing.T) {
				c.kubectl(t, "", "label", "namespace", "west", "side=east", "--overwrite")
			},
			expect: `
				open west/web -> west/db tcp/5432
				open west/api -> west/db tcp/80`,
		},
		{
			name: "PodLabelAttack", reason: "whoever labels a pod makes it another one to every netpol",
			attack: func(t *testing.T) { c.kubectl(t, "", "label", "pod", "-n", "east", "batch", "app=web", "--overwrite") },
			expect: `
				open east/batch -> west/db tcp/5432
				open west/web -> west/db tcp/5432`,
		},
		{
			name: "OneSideIsEnoughToBlock", reason: "a way is open if both ends let it be",
			remove: "api db",
			netpols: `
- metadata: {name: default-deny}
  spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
- metadata: {name: web}
  spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}, {podSelector: {matchLabels: {app: api}}}]}]}
- metadata: {name: db}
  spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: 5432}, {port: 80}]}]}`,
			expect: `
				open west/web -> west/db tcp/5432
				blocked west/web -> west/db tcp/8080
				blocked west/web -> west/api tcp/8080
				blocked west/api -> west/db tcp/5432
				blocked east/web -> west/db tcp/5432
				open east/web -> 203.0.113.10 tcp/80`,
		},
		{
			name: "DefaultDenyGone", reason: "without what isolated them, pods that nothing else selects are open",
			remove: "default-deny",
			expect: `
				open west/web -> west/api tcp/8080
				blocked west/web -> east/web tcp/80
				open west/api -> west/db tcp/5432
				blocked east/web -> west/db tcp/5432`,
		},
	}
	for _, step := range steps {
		ok := t.Run(step.name, func(t *testing.T) {
			if step.remove != "" {
				c.kubectl(t, "", append([]string{"delete", "netpol", "-n", "west"}, strings.Fields(step.remove)...)...)
			}
			if step.netpols != "" {
				c.applyNetpols(t, "west", step.netpols)
			}
			if step.attack != nil {
				step.attack(t)
			}
			c.agree(t, c.ends(t, "west", "east"), townPorts).expect(t, step.expect)
		})
		if !ok {
			t.Fatalf("%s: the steps after it start from there", step.reason)
		}
	}
}

// applyNetpols makes netpols of a YAML list of their metadata and specs.
func (c cluster) applyNetpols(t *testing.T, namespace, list string) {
	t.Helper()
	var netpols []map[string]any
	if err := yaml.UnmarshalStrict([]byte(list), &netpols); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, netpol := range netpols {
		netpol["apiVersion"], netpol["kind"] = "networking.k8s.io/v1", "NetworkPolicy"
		text, err := yaml.Marshal(netpol)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("---\n" + string(text))
	}
	c.kubectl(t, all.String(), "apply", "-n", namespace, "-f", "-")
}

func (c citizen) manifest(t *testing.T) string {
	t.Helper()
	pod := corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: c.name, Labels: c.labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{serving(corev1.Container{Name: "nettool", Ports: c.ports}, townPorts)}},
	}
	return asYAML(t, pod)
}

// serving makes a container serve ports, the first of which is TCP.
func serving(container corev1.Container, ports []string) corev1.Container {
	container.Image, container.ImagePullPolicy = nettoolImage, corev1.PullNever
	container.Command = nil
	container.Args = append([]string{"serve"}, ports...)
	_, port, _ := parsePort(ports[0])
	container.ReadinessProbe = &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(port)}},
		PeriodSeconds: 1,
	}
	return container
}

func asYAML(t *testing.T, object any) string {
	t.Helper()
	out, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
