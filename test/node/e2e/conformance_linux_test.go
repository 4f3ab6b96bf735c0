package e2e

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/test/node"
)

// conformanceEnv set to 1 asks for TestConformance, which takes minutes.
const conformanceEnv = "PODCULLIS_NODE_CONFORMANCE"

// conformancePorts are those of upstream's cases, but for SCTP, which nettool does not speak.
var conformancePorts = []string{"tcp/80", "tcp/81", "udp/80", "udp/81"}

// conformanceStep is a state of upstream's cluster, and what upstream expects in it: what is not denied
// is open. Its pods are x/a to z/c.
type conformanceStep struct {
	Case, Step int
	Desc       string
	Namespaces []corev1.Namespace
	Pods       []corev1.Pod
	Policies   []networkingv1.NetworkPolicy
	Probes     []struct {
		Port   int
		Proto  corev1.Protocol
		Denied [][2]string
	}
}

// TestConformance is the proof of the enforcer, with which Podcullis is compared: upstream's own
// expectations (kubernetes/kubernetes test/e2e/network/netpol), which are beside the repository and no
// part of it, hold for packets. Podcullis has to agree as well.
func TestConformance(t *testing.T) {
	if os.Getenv(conformanceEnv) != "1" {
		t.Skipf("takes minutes: set %s=1", conformanceEnv)
	}
	steps := readConformance(t)
	c := start(t)
	c.namespaces(t, "x", "y", "z")
	var ports []corev1.ContainerPort
	for _, port := range conformancePorts {
		protocol, number, err := parsePort(port)
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, corev1.ContainerPort{
			Name: fmt.Sprintf("serve-%d-%s", number, protocol), ContainerPort: number, Protocol: corev1.Protocol(strings.ToUpper(protocol)),
		})
	}
	for _, pod := range steps[0].Pods {
		c.apply(t, asYAML(t, corev1.Pod{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
			ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, Labels: pod.Labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{serving(corev1.Container{Name: "nettool", Ports: ports}, conformancePorts)}},
		}))
	}
	c.awaitReady(t, len(steps[0].Pods), "x", "y", "z")
	ends := slices.DeleteFunc(c.ends(t, "x", "y", "z"), func(e end) bool { return e.pod == nil })
	checks := 0
	for _, step := range steps {
		t.Run(fmt.Sprintf("%d.%d %s", step.Case, step.Step, step.Desc), func(t *testing.T) {
			c.become(t, step, ends)
			seen := c.agree(t, ends, conformancePorts)
			for _, probe := range step.Probes {
				port := fmt.Sprintf("%s/%d", strings.ToLower(string(probe.Proto)), probe.Port)
				if !slices.Contains(conformancePorts, port) {
					continue
				}
				denied := map[[2]string]bool{}
				for _, pair := range probe.Denied {
					denied[pair] = true
				}
				for from, to := range pairs(ends) {
					want := "open"
					if denied[[2]string{from.name, to.name}] {
						want = "blocked"
					}
					if got := seen[way(from, to, port)]; got != want {
						t.Errorf("%s is %s, and upstream expects %s", way(from, to, port), got, want)
					}
					checks++
				}
			}
		})
	}
	t.Logf("%d of upstream's expectations", checks)
}

func readConformance(t *testing.T) []conformanceStep {
	t.Helper()
	f, err := os.Open(repository(t, "connectivity", "testdata", "conformance", "k8s-e2e-netpol-48cases.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var steps []conformanceStep
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var step conformanceStep
		if err := json.Unmarshal(lines.Bytes(), &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := lines.Err(); err != nil || len(steps) == 0 {
		t.Fatalf("%d steps, %v", len(steps), err)
	}
	return steps
}

// become makes the cluster that of a step: labels and netpols. Addresses are translated.
func (c cluster) become(t *testing.T, step conformanceStep, ends []end) {
	t.Helper()
	for _, namespace := range step.Namespaces {
		c.relabel(t, "namespace/"+namespace.Name, "", namespace.Labels, []string{"ns", "ns2", "side"})
	}
	addresses := map[string]string{}
	for _, pod := range step.Pods {
		c.relabel(t, "pod/"+pod.Name, pod.Namespace, pod.Labels, []string{"pod", "pod2", "target"})
		for _, e := range ends {
			if e.name == pod.Namespace+"/"+pod.Name {
				addresses[pod.Status.PodIP] = e.ip.String()
			}
		}
	}
	c.kubectl(t, "", "delete", "netpol", "--all", "-n", "x")
	c.kubectl(t, "", "delete", "netpol", "--all", "-n", "y")
	c.kubectl(t, "", "delete", "netpol", "--all", "-n", "z")
	var all strings.Builder
	for _, policy := range step.Policies {
		policy.TypeMeta = metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}
		all.WriteString("---\n" + asYAML(t, policy))
	}
	if len(step.Policies) == 0 {
		return
	}
	c.apply(t, cidrs.ReplaceAllStringFunc(all.String(), func(cidr string) string {
		address, bits, _ := strings.Cut(cidr, "/")
		if bits != "32" { // upstream takes a block that holds all pods
			return node.PodNetwork
		}
		return addresses[address] + "/32"
	}))
}

var cidrs = regexp.MustCompile(`192\.168\.\d+\.\d+/\d+`)

// relabel gives an object those of the labels that cases use, and takes the others of them away.
func (c cluster) relabel(t *testing.T, object, namespace string, want map[string]string, used []string) {
	t.Helper()
	args := []string{"label", object, "--overwrite"}
	if namespace != "" {
		args = append(args, "-n", namespace)
	}
	for _, key := range used {
		if value, ok := want[key]; ok {
			args = append(args, key+"="+value)
		} else {
			args = append(args, key+"-")
		}
	}
	c.kubectl(t, "", args...)
}
