package report

import (
	"encoding/json"
	"io"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

type list[T any] struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Items      []T    `json:"items"` // never null
}

type jsonObject struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

type jsonFinding struct {
	Guardrail string     `json:"guardrail"`
	Action    string     `json:"action"`
	Severity  string     `json:"severity"`
	Object    jsonObject `json:"object"`
	Location  Location   `json:"location"`
	Message   string     `json:"message"`
	Details   any        `json:"details,omitempty"`
	// What the configuration says of the guardrail.
	Description string `json:"description,omitempty"`
	Owner       string `json:"owner,omitempty"`
	Link        string `json:"link,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
}

type jsonResult struct {
	list[jsonFinding]

	// What a baseline names: what is there, and what is gone.
	Known []jsonFinding  `json:"known,omitempty"`
	Gone  []BaselineItem `json:"gone,omitempty"`

	Exempted  []jsonExempted  `json:"exempted,omitempty"`
	Unread    []jsonUnread    `json:"unread,omitempty"`
	Unmatched []jsonUnmatched `json:"unmatched,omitempty"`

	Expired    []jsonExpired    `json:"expired,omitempty"`
	Unmodelled []jsonUnmodelled `json:"unmodelled,omitempty"`
	Noted      []jsonNoted      `json:"noted,omitempty"`
	Unjudged   []jsonUnjudged   `json:"unjudged,omitempty"`
}

// jsonNoted is a remark of another sort: not-enforced, names-nothing, adds-nothing.
type jsonNoted struct {
	Remark   string      `json:"remark"`
	Object   *jsonObject `json:"object,omitempty"`
	Location *Location   `json:"location,omitempty"`
	Message  string      `json:"message"`
}

// jsonExpired is an exemption whose time is over.
type jsonExpired struct {
	Exemption string `json:"exemption"`
	Expires   string `json:"expires"`
	Reason    string `json:"reason"`
}

// jsonUnmodelled is an object of another policy API; its kind carries the group.
type jsonUnmodelled struct {
	Object   jsonObject `json:"object"`
	Location Location   `json:"location"`
	Opens    bool       `json:"opens"`
}

type jsonUnjudged struct {
	Object   jsonObject `json:"object"`
	Location Location   `json:"location"`
	Why      string     `json:"why"`
}

type jsonExempted struct {
	jsonFinding

	Exemption string `json:"exemption"`
	Reason    string `json:"reason"`
}

type jsonUnread struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Namespace  string   `json:"namespace,omitempty"`
	Name       string   `json:"name"`
	Location   Location `json:"location"`
	Why        string   `json:"why"`
}

// jsonUnmatched is a guardrail and the end of its question, a match, or a netpol.
type jsonUnmatched struct {
	Guardrail string      `json:"guardrail,omitempty"`
	Exemption string      `json:"exemption,omitempty"`
	Side      string      `json:"side,omitempty"` // from, to or match
	Object    *jsonObject `json:"object,omitempty"`
	Location  *Location   `json:"location,omitempty"`
	Selector  string      `json:"selector"`
	Message   string      `json:"message"`
}

// JSON writes a document of kind Findings. Beside its items it has what is exempted,
// what was not looked at though it makes pods, and what chooses nobody.
func (r *Result) JSON(w io.Writer) error { return writeJSON(w, r.document()) }

// YAML is JSON in YAML.
func (r *Result) YAML(w io.Writer) error { return writeYAML(w, r.document()) }

// FindingsYAML is FindingsJSON in YAML.
func FindingsYAML(w io.Writer, findings []Finding) error {
	return (&Result{Findings: findings}).YAML(w)
}

func (r *Result) document() jsonResult {
	doc := jsonResult{list: list[jsonFinding]{APIVersion, "Findings", []jsonFinding{}}}
	prints := fingerprinter{}
	for _, f := range r.Findings {
		j := findingOf(f)
		j.Fingerprint = prints.finding(f)
		doc.Items = append(doc.Items, j)
	}
	for _, f := range r.Known {
		j := findingOf(f)
		j.Fingerprint = prints.finding(f)
		doc.Known = append(doc.Known, j)
	}
	doc.Gone = r.Gone
	for _, x := range r.Expired {
		doc.Expired = append(doc.Expired, jsonExpired{x.Name, x.Expires, x.Reason})
	}
	for _, u := range r.Unmodelled {
		doc.Unmodelled = append(doc.Unmodelled, jsonUnmodelled{objectOf(u.Ref), u.Location, u.Opens})
	}
	for _, n := range r.Noted {
		j := jsonNoted{Remark: n.What, Message: n.Text}
		if n.Ref != (cluster.Ref{}) {
			o := objectOf(n.Ref)
			j.Object = &o
		}
		if n.Location.File != "" {
			j.Location = &n.Location
		}
		doc.Noted = append(doc.Noted, j)
	}
	for _, u := range r.Unjudged {
		doc.Unjudged = append(doc.Unjudged, jsonUnjudged{objectOf(u.Ref), u.Location, u.Why})
	}
	for _, x := range r.Exempted {
		doc.Exempted = append(doc.Exempted, jsonExempted{findingOf(x.Finding), x.Exemption, x.Reason})
	}
	doc.Unread = unreadOf(r.Unread)
	for _, u := range r.Unmatched {
		j := jsonUnmatched{Guardrail: u.Guardrail, Exemption: u.Exemption, Side: u.Side, Selector: u.Selector, Message: u.String()}
		if u.Netpol != (cluster.Ref{}) {
			j.Object, j.Location = &jsonObject{u.Netpol.KindText(), u.Netpol.Namespace, u.Netpol.Name}, &u.Location
		}
		doc.Unmatched = append(doc.Unmatched, j)
	}
	return doc
}

func objectOf(r cluster.Ref) jsonObject { return jsonObject{r.Kind, r.Namespace, r.Name} }

func findingOf(f Finding) jsonFinding {
	return jsonFinding{
		Guardrail: f.Guardrail,
		Action:    string(f.Action),
		Severity:  f.Severity,
		Object:    jsonObject{f.Object.KindText(), f.Object.Namespace, f.Object.Name},
		Location:  f.Location,
		Message:   f.Message,
		Details:   f.Details,

		Description: f.About.Description,
		Owner:       f.About.Owner,
		Link:        f.About.Link,
	}
}

type jsonPeer struct {
	Namespace string `json:"namespace,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Name      string `json:"name,omitempty"`
	CIDR      string `json:"cidr,omitempty"`
	// Addresses names the set that a block belongs to, about all of which the same is said:
	// "anywhere but 10.0.0.0/8".
	Addresses string `json:"addresses,omitempty"`
}

type jsonPorts struct {
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port"`
	EndPort  uint16 `json:"endPort"`
}

type jsonBecause struct {
	Direction   string `json:"direction"`
	Netpol      string `json:"netpol,omitempty"`
	Rule        *int   `json:"rule,omitempty"` // counts from 0
	NotIsolated bool   `json:"notIsolated,omitempty"`
	Unknown     string `json:"unknown,omitempty"`
}

type jsonConnection struct {
	From    jsonPeer      `json:"from"`
	To      jsonPeer      `json:"to"`
	Ports   []jsonPorts   `json:"ports"`
	Because []jsonBecause `json:"because"`
}

type jsonConnections struct {
	list[jsonConnection]

	Unread []jsonUnread `json:"unread,omitempty"`
}

// ConnectionsJSON writes connections as a document of kind Connections, with what was
// not looked at though it makes pods.
func ConnectionsJSON(w io.Writer, connections []connectivity.Connection, unread ...Unread) error {
	return writeJSON(w, connectionsDocument(connections, unread))
}

// ConnectionsYAML is ConnectionsJSON in YAML.
func ConnectionsYAML(w io.Writer, connections []connectivity.Connection, unread ...Unread) error {
	return writeYAML(w, connectionsDocument(connections, unread))
}

func connectionsDocument(connections []connectivity.Connection, unread []Unread) jsonConnections {
	return jsonConnections{list[jsonConnection]{APIVersion, "Connections", connectionsOf(connections)}, unreadOf(unread)}
}

func unreadOf(all []Unread) []jsonUnread {
	var out []jsonUnread
	for _, u := range all {
		out = append(out, jsonUnread{u.APIVersion, u.Kind, u.Ref.Namespace, u.Ref.Name, u.Location, u.Why})
	}
	return out
}

func connectionsOf(connections []connectivity.Connection) []jsonConnection {
	out := []jsonConnection{}
	peers := peersOf(foldConnections(connections), connectionEnds, connections)
	for i, c := range connections {
		out = append(out, jsonConnection{peers[i][0], peers[i][1], portsOf(c.Ports), becauseOf(c.Because)})
	}
	return out
}

func peerOf(p connectivity.Peer) jsonPeer {
	if p.Workload != nil {
		return jsonPeer{Namespace: p.Workload.Namespace, Kind: p.Workload.Kind, Name: p.Workload.Name}
	}
	return jsonPeer{CIDR: p.CIDR.String()}
}

func portsOf(s connectivity.PortSet) []jsonPorts {
	out := []jsonPorts{}
	for _, r := range s.Ranges() {
		out = append(out, jsonPorts{r.Protocol.String(), r.First, r.Last})
	}
	return out
}

// becauseOf leaves out what only the ports of a reason would tell apart.
func becauseOf(all []connectivity.Because) []jsonBecause {
	out := []jsonBecause{}
	seen := map[connectivity.Reason]bool{}
	for _, b := range all {
		key := b.Reason
		key.OverPods = false
		if seen[key] {
			continue
		}
		seen[key] = true
		j := jsonBecause{Direction: b.Direction.String(), NotIsolated: b.NotIsolated, Unknown: string(b.Unknown)}
		if b.Netpol != (cluster.Ref{}) {
			j.Netpol = netpolName(b.Netpol)
			if !b.NotIsolated {
				rule := b.Rule
				j.Rule = &rule
			}
		}
		out = append(out, j)
	}
	return out
}

type jsonSide struct {
	Direction  string        `json:"direction"`
	Peer       jsonPeer      `json:"peer"`
	Verdict    string        `json:"verdict"`
	Ports      []jsonPorts   `json:"ports"` // that this side lets through, surely or perhaps
	IsolatedBy []string      `json:"isolatedBy"`
	Because    []jsonBecause `json:"because"`
}

type jsonExplanation struct {
	APIVersion  string           `json:"apiVersion"`
	Kind        string           `json:"kind"`
	From        jsonPeer         `json:"from"`
	To          jsonPeer         `json:"to"`
	Ports       []jsonPorts      `json:"ports"`
	Verdict     string           `json:"verdict"`
	Unknown     string           `json:"unknown,omitempty"`
	Barriers    *int             `json:"barriers,omitempty"` // sides that block, between workloads
	Connections []jsonConnection `json:"connections"`
	Sides       []jsonSide       `json:"sides"`
	Fix         *jsonFix         `json:"fix,omitempty"`
}

// jsonFix is what shuts the path at the least cost, with the netpols as they would be.
type jsonFix struct {
	Text    string            `json:"text"`
	Cost    int               `json:"cost"` // other connections that it closes
	Netpols []json.RawMessage `json:"netpols"`
}

// ExplanationJSON writes an explanation as a document of kind Explanation, with the
// first of the fixes if there is one.
func ExplanationJSON(w io.Writer, e connectivity.Explanation, fixes []connectivity.Fix) error {
	doc, err := fixedExplanation(e, fixes)
	if err != nil {
		return err
	}
	return writeJSON(w, doc)
}

// ExplanationYAML is ExplanationJSON in YAML.
func ExplanationYAML(w io.Writer, e connectivity.Explanation, fixes []connectivity.Fix) error {
	doc, err := fixedExplanation(e, fixes)
	if err != nil {
		return err
	}
	return writeYAML(w, doc)
}

func fixedExplanation(e connectivity.Explanation, fixes []connectivity.Fix) (jsonExplanation, error) {
	doc := explanationOf(e)
	if len(fixes) == 0 {
		return doc, nil
	}
	doc.Fix = &jsonFix{Text: fixes[0].String(), Cost: fixes[0].Cost}
	for _, n := range fixes[0].Netpols {
		manifest, err := n.Manifest()
		if err != nil {
			return doc, err
		}
		doc.Fix.Netpols = append(doc.Fix.Netpols, manifest)
	}
	return doc, nil
}

func explanationOf(e connectivity.Explanation) jsonExplanation {
	doc := jsonExplanation{
		APIVersion, "Explanation", peerOf(e.From), peerOf(e.To), portsOf(e.Asked), e.Verdict.String(), string(e.Unknown),
		nil, connectionsOf(e.Connections),
		[]jsonSide{},
		nil,
	}
	if e.Barriers >= 0 {
		doc.Barriers = &e.Barriers
	}
	for _, s := range e.Sides {
		if s.Outside {
			continue
		}
		j := jsonSide{s.Direction.String(), peerOf(s.Subject), sideVerdict(s).String(), portsOf(s.Open.Union(s.Unsure)), []string{}, becauseOf(s.Because)}
		for _, n := range s.Netpols {
			j.IsolatedBy = append(j.IsolatedBy, netpolName(n.Netpol.Ref()))
		}
		doc.Sides = append(doc.Sides, j)
	}
	return doc
}

func netpolName(r cluster.Ref) string { return r.Namespace + "/" + r.Name }
