package doctor

import (
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// Probed is what packets said: those of two pods, while a NetworkPolicy on either side let three
// ports through and then forgot one.
type Probed struct {
	// Reached is set when all ports answered at first.
	Reached bool
	// IngressBlocked and EgressBlocked: the port that the server's, or the client's, NetworkPolicy
	// forgot did not answer any more.
	IngressBlocked, EgressBlocked bool
	// Lost is set when the port that none forgot did not answer either.
	Lost      bool
	Seconds   float64
	Last      string
	Namespace string
	Nodes     [2]string
}

// ProbeSection words the result of a probe; err says why there is none.
func ProbeSection(p *Probed, err error) Section {
	out := Section{ID: "probe", Question: "Do packets arrive that no NetworkPolicy lets through?"}
	if err != nil {
		out.Answers = []Answer{{Status: Unknown, Text: "The probe could not be made", Evidence: []string{err.Error()}, Mend: "--probe-namespace and --probe-image say where it runs, and with what; it needs create, list, update and delete on Jobs, Pods and NetworkPolicies there"}}
		return out
	}
	a := Answer{Evidence: []string{fmt.Sprintf("from a pod on node %s to one on node %s, in namespace %s", p.Nodes[1], p.Nodes[0], p.Namespace)}}
	if p.Nodes[0] == p.Nodes[1] {
		a.Evidence[0] = fmt.Sprintf("between two pods on node %s, in namespace %s", p.Nodes[0], p.Namespace)
	}
	if p.Last != "" {
		a.Evidence = append(a.Evidence, "the last attempts: "+p.Last)
	}
	took := fmt.Sprintf("%.1f s", p.Seconds)
	switch {
	case !p.Reached:
		a.Status, a.Text = Unknown, "Not even what NetworkPolicies let through arrived, so that nothing can be said"
		a.Mend = "a policy of another API, a service mesh, or the network itself is in the way: try another --probe-namespace"
	case p.IngressBlocked && p.EgressBlocked:
		a.Status, a.Text = OK, "No: the network enforces NetworkPolicies, for ingress and for egress, within "+took
	case p.Lost:
		a.Status, a.Text = Unknown, "In the end nothing arrived any more, not even what NetworkPolicies let through, so that nothing can be said"
		a.Mend = "try it again"
	case p.IngressBlocked:
		a.Status, a.Text = Problem, "Yes, for egress: the network enforces ingress only; packets left that no NetworkPolicy lets out, for "+took
		a.Mend = installAnother
	case p.EgressBlocked:
		a.Status, a.Text = Problem, "Yes, for ingress: the network enforces egress only; packets arrived that no NetworkPolicy lets in, for "+took
		a.Mend = installAnother
	default:
		a.Status, a.Text = Problem, "Yes: the network ignores NetworkPolicies; packets arrived for "+took+" after none let them through"
		a.Mend = installAnother
	}
	out.Answers = []Answer{a}
	return out
}

// Homes are the namespaces of the Services that configurations call.
func Homes(configurations []*admissionregistrationv1.ValidatingWebhookConfiguration) []string {
	var out []string
	for _, c := range configurations {
		for _, w := range c.Webhooks {
			if s := w.ClientConfig.Service; s != nil {
				out = append(out, s.Namespace)
			}
		}
	}
	return distinct(out)
}

// Ours tells whether a configuration has a webhook of ours.
func Ours(c *admissionregistrationv1.ValidatingWebhookConfiguration) bool {
	for _, w := range c.Webhooks {
		if len(w.Name) > len(OwnDomain) && w.Name[len(w.Name)-len(OwnDomain):] == OwnDomain {
			return true
		}
	}
	return false
}

// Image is that of the webhook's pods, where the API server calls them: what is called so elsewhere
// is anybody's. Empty where none is known.
func (r *Registration) Image() string {
	if r == nil {
		return ""
	}
	homes := Homes(r.Configurations)
	for _, d := range r.Deployments {
		if !slices.Contains(homes, d.Namespace) {
			continue
		}
		for _, c := range d.Spec.Template.Spec.Containers {
			if c.Name == "webhook" {
				return c.Image
			}
		}
	}
	return ""
}
