package chart

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/cluster/selector"
	"github.com/podcullis/podcullis/connectivity"
)

// A replica that starts copies what another one remembers: it asks the Service, knows
// its certificate and gets there.
func TestReplicasCopyTheMemory(t *testing.T) {
	service := "--memory-from=https://guard-podcullis." + namespace + ".svc:443/memory"
	bundle := "certificates: {mode: existing, existing: {secretName: own, caBundle: \"-----BEGIN CERTIFICATE-----\\nA CA\\n\"}}"
	for name, tc := range map[string]struct {
		reason, values string
		flags          []string
		port           uint16
	}{
		"Default":          {"ca.crt is in the Secret", "", []string{service}, 9443},
		"SelfManaged":      {"the server writes ca.crt", "certificates: {mode: self-managed}", []string{service}, 9443},
		"ExistingBundle":   {"the values have the CA", bundle, []string{service, "--memory-ca-file=/etc/podcullis/configuration/ca.crt"}, 9443},
		"OneReplica":       {"while it is rolled out there are two", "replicas: 1", []string{service}, 9443},
		"OtherPorts":       {"the Service's port, and the pod's", "{service: {port: 8443}, ports: {webhook: 10250}}", []string{strings.Replace(service, ":443/", ":8443/", 1)}, 10250},
		"NarrowAPIServer":  {"replicas are not in its blocks", "networkPolicy: {apiServerCIDRs: [172.16.0.0/28]}", []string{service}, 9443},
		"ClientsAreProved": {"a replica has no client certificate", "certificates: {clients: {caSecretName: clients}}", nil, 9443},
	} {
		t.Run(name, func(t *testing.T) {
			r := install(t, tc.values)
			var flags []string
			for _, arg := range one[*appsv1.Deployment](t, r).Spec.Template.Spec.Containers[0].Args {
				if strings.HasPrefix(arg, "--memory-") {
					flags = append(flags, arg)
				}
			}
			if !slices.Equal(flags, tc.flags) {
				t.Errorf("%v, want %v: %s", flags, tc.flags, tc.reason)
			}
			if ca := strings.TrimSpace(one[*corev1.ConfigMap](t, r).Data["ca.crt"]); (ca == "-----BEGIN CERTIFICATE-----\nA CA") != (len(flags) == 2) {
				t.Errorf("the CA is %q with %v", ca, flags)
			}
			if got := reachEachOther(t, r, tc.port); got != (tc.flags != nil) {
				t.Errorf("replicas reach each other: %v: %s", got, tc.reason)
			}
		})
	}
}

// reachEachOther reports whether a pod like those of the Deployment, and they, reach
// a port of each other.
func reachEachOther(t *testing.T, r release, port uint16) bool {
	t.Helper()
	template := one[*appsv1.Deployment](t, r).Spec.Template
	other := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "other", Labels: template.Labels}, Spec: template.Spec}
	s := clustertest.Apply(t, snapshot(t, r), clustertest.Create(t, other)...)
	everyone := connectivity.Selection{Namespaces: selector.Everything(), Pods: selector.Everything()}
	reached := map[string]bool{}
	for _, c := range connectivity.Open(s, connectivity.Query{
		From: everyone, To: everyone, Ports: connectivity.Ports(connectivity.PortRange{Protocol: cluster.TCP, First: port, Last: port}),
	}, connectivity.Options{}) {
		if c.From.Workload != nil && c.To.Workload != nil {
			reached[c.From.Workload.Kind+" "+c.To.Workload.Kind] = true
		}
	}
	return reached["Deployment Pod"] && reached["Pod Deployment"]
}
