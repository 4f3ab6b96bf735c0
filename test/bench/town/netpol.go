package town

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

type (
	netpol   = networkingv1.NetworkPolicy
	peer     = networkingv1.NetworkPolicyPeer
	ingress  = networkingv1.NetworkPolicyIngressRule
	egress   = networkingv1.NetworkPolicyEgressRule
	npPort   = networkingv1.NetworkPolicyPort
	selector = metav1.LabelSelector
)

// netpols are the first quota of what a namespace would have, the general ones
// before the particular.
func (q *quarter) netpols(quota int) []*netpol {
	out := []*netpol{q.defaultDeny(), q.dns(), q.monitored()}
	if q.applications() {
		out = append(out, q.frontend(), q.api(), q.worker(), q.cache(), q.database(), q.web())
	}
	for n := 0; len(out) < quota; n++ {
		out = append(out, q.agreement(n))
	}
	out = out[:quota]
	if q.plan.Solitary {
		for _, np := range out {
			q.tellApart(np)
		}
	}
	return out
}

func (q *quarter) netpol(name string, pods selector) *netpol {
	np := &netpol{ObjectMeta: q.meta(name, nil)}
	np.UID = q.uid("NetworkPolicy", name)
	np.Spec.PodSelector = pods
	return np
}

func (q *quarter) defaultDeny() *netpol {
	np := q.netpol("default-deny", selector{})
	np.Spec.PolicyTypes = both()
	if q.index%20 == 7 { // nobody has written it yet
		np.Name = "allow-all-egress"
		np.Spec.PolicyTypes = np.Spec.PolicyTypes[1:]
		np.Spec.Egress = []egress{{}}
	}
	return np
}

func (q *quarter) dns() *netpol {
	np := q.netpol("allow-dns", selector{})
	np.Spec.PolicyTypes = both()[1:]
	np.Spec.Egress = []egress{{
		To:    []peer{{NamespaceSelector: labelled("kubernetes.io/metadata.name", "kube-system"), PodSelector: labelled("k8s-app", "kube-dns")}},
		Ports: []npPort{numbered(corev1.ProtocolUDP, 53), numbered(corev1.ProtocolTCP, 53)},
	}}
	if q.index == 0 {
		np.Spec = networkingv1.NetworkPolicySpec{
			PodSelector: *labelled("k8s-app", "kube-dns"), PolicyTypes: both()[:1],
			Ingress: []ingress{{From: []peer{{NamespaceSelector: &selector{}}}, Ports: np.Spec.Egress[0].Ports}},
		}
	}
	return np
}

func (q *quarter) monitored() *netpol {
	np := q.netpol("allow-monitoring", selector{})
	np.Spec.PolicyTypes = both()[:1]
	np.Spec.Ingress = []ingress{{
		From:  []peer{{NamespaceSelector: labelled(PurposeLabel, Monitoring), PodSelector: labelled("app.kubernetes.io/name", "prometheus")}},
		Ports: []npPort{named("metrics")},
	}}
	if q.index == 1 || q.index == 2 { // who goes out to everybody
		np.Spec.PolicyTypes = both()
		np.Spec.Egress = []egress{{To: []peer{{NamespaceSelector: &selector{}}}}}
	}
	return np
}

func (q *quarter) frontend() *netpol {
	np := q.netpol("frontend", *labelled(TierLabel, Frontend))
	np.Spec.PolicyTypes = both()
	np.Spec.Ingress = []ingress{{
		From:  []peer{{NamespaceSelector: labelled(PurposeLabel, Ingress)}},
		Ports: []npPort{named("http")},
	}}
	np.Spec.Egress = []egress{{To: []peer{{PodSelector: labelled(TierLabel, API)}}, Ports: []npPort{named("grpc")}}}
	return np
}

func (q *quarter) api() *netpol {
	np := q.netpol("api", *labelled(TierLabel, API))
	np.Spec.PolicyTypes = both()
	from := []peer{{PodSelector: oneOf(TierLabel, Frontend, Worker)}}
	if q.random.IntN(3) == 0 {
		from = append(from, peer{NamespaceSelector: oneOf(TeamLabel, q.otherTeam(), q.otherTeam()), PodSelector: labelled(TierLabel, Worker)})
	}
	np.Spec.Ingress = []ingress{{From: from, Ports: []npPort{named("grpc")}}}
	np.Spec.Egress = []egress{
		{To: []peer{{PodSelector: labelled(TierLabel, Database)}}, Ports: []npPort{named("postgres")}},
		{To: []peer{{PodSelector: labelled(TierLabel, Cache)}}, Ports: []npPort{numbered(corev1.ProtocolTCP, 6379)}},
	}
	return np
}

func (q *quarter) worker() *netpol {
	np := q.netpol("worker", *labelled(TierLabel, Worker))
	np.Spec.PolicyTypes = both()
	np.Spec.Egress = []egress{
		{To: []peer{{PodSelector: oneOf(TierLabel, Cache, Database)}}, Ports: []npPort{numbered(corev1.ProtocolTCP, 5432), numbered(corev1.ProtocolTCP, 6379)}},
		{To: []peer{{NamespaceSelector: &selector{}, PodSelector: labelled(TierLabel, API)}}, Ports: []npPort{named("grpc")}},
		{To: []peer{{IPBlock: &networkingv1.IPBlock{CIDR: fmt.Sprintf("203.0.%d.0/24", q.index%250)}}}, Ports: []npPort{ranged(30000, 32767)}},
	}
	return np
}

func (q *quarter) cache() *netpol {
	np := q.netpol("cache", *labelled(TierLabel, Cache))
	np.Spec.PolicyTypes = both()
	np.Spec.Ingress = []ingress{{
		From: []peer{{PodSelector: &selector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: TierLabel, Operator: metav1.LabelSelectorOpExists},
			{Key: TierLabel, Operator: metav1.LabelSelectorOpNotIn, Values: []string{Frontend, Database}},
		}}}},
		Ports: []npPort{numbered(corev1.ProtocolTCP, 6379)},
	}}
	return np
}

func (q *quarter) database() *netpol {
	np := q.netpol("db", *labelled(TierLabel, Database))
	np.Spec.PolicyTypes = both()
	replication := []npPort{ranged(7000, 7003)}
	np.Spec.Ingress = []ingress{
		{From: []peer{{PodSelector: oneOf(TierLabel, API, Worker)}}, Ports: []npPort{named("postgres")}},
		{From: []peer{{PodSelector: labelled(TierLabel, Database)}}, Ports: replication},
	}
	np.Spec.Egress = []egress{{To: []peer{{PodSelector: labelled(TierLabel, Database)}}, Ports: replication}}
	return np
}

func (q *quarter) web() *netpol {
	np := q.netpol("web", *oneOf(TierLabel, API, Worker))
	np.Spec.PolicyTypes = both()[1:]
	np.Spec.Egress = []egress{{
		To: []peer{
			{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"}}},
			{IPBlock: &networkingv1.IPBlock{CIDR: "2000::/3", Except: []string{fmt.Sprintf("2001:db8:%x::/48", q.index)}}},
		},
		Ports: []npPort{numbered(corev1.ProtocolTCP, 443)},
	}}
	return np
}

// agreement lets another team call one application.
func (q *quarter) agreement(n int) *netpol {
	np := q.netpol(fmt.Sprintf("agreement-%d", n), selector{MatchLabels: map[string]string{
		TierLabel: API, "app.kubernetes.io/instance": fmt.Sprintf("cart%d", n/5),
	}})
	np.Spec.PolicyTypes = both()[:1]
	np.Spec.Ingress = []ingress{{
		From:  []peer{{NamespaceSelector: labelled(TeamLabel, q.otherTeam()), PodSelector: oneOf(TierLabel, Worker, API)}},
		Ports: []npPort{named("grpc")},
	}}
	return np
}

// tellApart makes every selector of pods look at the label that no two share.
func (q *quarter) tellApart(np *netpol) {
	if len(np.Spec.PodSelector.MatchLabels)+len(np.Spec.PodSelector.MatchExpressions) > 0 {
		q.exceptOne(&np.Spec.PodSelector)
	}
	for _, r := range np.Spec.Ingress {
		q.exceptOneOfEach(r.From)
	}
	for _, r := range np.Spec.Egress {
		q.exceptOneOfEach(r.To)
	}
}

func (q *quarter) exceptOneOfEach(peers []peer) {
	for _, p := range peers {
		if p.PodSelector != nil {
			q.exceptOne(p.PodSelector)
		}
	}
}

func (q *quarter) exceptOne(s *selector) {
	s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{
		Key: soloLabel, Operator: metav1.LabelSelectorOpNotIn, Values: []string{q.solo(q.random.IntN(q.pods))},
	})
}

func both() []networkingv1.PolicyType {
	return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
}

func labelled(key, value string) *selector {
	return &selector{MatchLabels: map[string]string{key: value}}
}

func oneOf(key string, values ...string) *selector {
	return &selector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: metav1.LabelSelectorOpIn, Values: values}}}
}

func numbered(protocol corev1.Protocol, number int32) npPort {
	return npPort{Protocol: &protocol, Port: new(intstr.FromInt32(number))}
}

func named(name string) npPort {
	return npPort{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromString(name))}
}

func ranged(first, last int32) npPort {
	p := numbered(corev1.ProtocolTCP, first)
	p.EndPort = &last
	return p
}
