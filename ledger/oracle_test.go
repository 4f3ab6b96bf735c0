package ledger

// The oracle of the simulator: what is open, read off the objects pod by pod, the way
// the documentation of NetworkPolicy says it. It shares nothing with what the toy
// webhook judges by.

type oraclePod struct {
	namespace int
	labels    [3]bool // a, b, z
}

var oracleLabels = [3]uint8{labelA, labelB, labelZ}

func oraclePods(c *toy) []oraclePod {
	var out []oraclePod
	for ns := range toyNamespaces {
		for name := range toyNames {
			if p := c.objects[toyPod][ns][name]; p.there {
				pod := oraclePod{namespace: ns}
				for i, l := range oracleLabels {
					pod.labels[i] = p.label&l != 0
				}
				out = append(out, pod)
			}
		}
	}
	return out
}

func oracleMatches(labels [3]bool, mask, value uint8) bool {
	for i, l := range oracleLabels {
		if mask&l != 0 && labels[i] != (value&l != 0) {
			return false
		}
	}
	return true
}

// oracleAllows answers one direction for one end.
func oracleAllows(c *toy, end, peer oraclePod, egress bool) bool {
	isolated := false
	for i := range toyNames {
		n := &c.objects[toyNetpol][end.namespace][i]
		applies := n.rule.ingress
		if egress {
			applies = n.rule.egress
		}
		if !n.there || !applies || !oracleMatches(end.labels, n.rule.mask, n.rule.value) {
			continue
		}
		isolated = true
		namespace := &c.objects[toyNS][peer.namespace][0]
		if !n.rule.nothing && (n.rule.peerNS == anyNS || namespace.label == n.rule.peerNS) &&
			oracleMatches(peer.labels, n.rule.peerMask, n.rule.peerValue) {
			return true
		}
	}
	return !isolated
}

// oraclePath is a forbidden path that is open.
type oraclePath struct{ from, to oraclePod }

func oracleOpen(c *toy) []oraclePath {
	var out []oraclePath
	pods := oraclePods(c)
	for _, from := range pods {
		for _, to := range pods {
			if from.labels[0] && to.labels[1] && oracleAllows(c, from, to, true) && oracleAllows(c, to, from, false) {
				out = append(out, oraclePath{from, to})
			}
		}
	}
	return out
}
