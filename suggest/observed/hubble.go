package observed

import (
	"maps"
	"slices"
	"strings"
)

// What Hubble says of what became of a packet: let through, not let through, or nothing yet.
var (
	hubblePassed  = []string{"FORWARDED", "REDIRECTED", "AUDIT"}
	hubbleDropped = []string{"DROPPED", "ERROR"}
	hubblePending = []string{"TRACED", "TRANSLATED", "VERDICT_UNKNOWN", "UNKNOWN"}
)

func names(f fields) []string { return slices.Sorted(maps.Keys(f)) }

// hubble reads a line of `hubble observe -o json` or jsonpb, or of Hubble's exporter: an
// observer.GetFlowsResponse, or the flow.Flow in it.
func (r *reader) hubble(f fields, line int) error {
	if lost := f.object("lostevents"); lost != nil {
		n, err := countOf(lost.text("numeventslost"))
		if err != nil {
			return r.fault(line, "lost_events.num_events_lost: %w", err)
		}
		r.log.Lost += n
		return nil
	}
	flow := f.object("flow")
	if flow == nil {
		flow = f
	}
	if !flow.has("verdict") && !flow.has("l4") {
		r.log.Others++ // the state of a node, or an event of the agent
		return nil
	}
	r.log.Read++
	t, err := timeOf(flow.text("time"))
	if err != nil {
		return r.fault(line, "time: %w", err)
	}
	r.log.seen(t)
	switch verdict := strings.ToUpper(flow.text("verdict")); {
	case slices.Contains(hubblePassed, verdict):
	case slices.Contains(hubbleDropped, verdict):
		r.log.Dropped++
		return nil
	case slices.Contains(hubblePending, verdict):
		r.log.Others++
		return nil
	default:
		return r.fault(line, "verdict: %q is none that is known: %s", flow.text("verdict"), strings.Join(slices.Concat(hubblePassed, hubbleDropped, hubblePending), ", "))
	}
	if flow.text("isreply") == "true" {
		r.log.Replies++
		return nil
	}
	out := Flow{At: Location{r.file, line}}
	l4, known := fields(nil), false
	for _, name := range []string{"tcp", "udp", "sctp"} {
		if o := flow.object("l4").object(name); o != nil {
			l4 = o
			out.Protocol, known = protocolOf(name)
		}
	}
	if !known {
		r.log.Portless++
		return nil
	}
	if out.First, err = portOf(l4.text("destinationport")); err != nil {
		return r.fault(line, "l4.destination_port: %w", err)
	}
	out.Last = out.First
	if out.From, err = hubbleEnd(flow.object("source"), flow.object("ip").text("source")); err != nil {
		return r.fault(line, "source: %w", err)
	}
	if out.To, err = hubbleEnd(flow.object("destination"), flow.object("ip").text("destination")); err != nil {
		return r.fault(line, "destination: %w", err)
	}
	if !flow.has("isreply") {
		flags := l4.object("flags")
		switch {
		case flags.text("syn") == "true" && flags.text("ack") != "true":
		case flags.text("syn") == "true":
			r.log.Replies++
			return nil
		default:
			r.log.Undirected = append(r.log.Undirected, out)
			return nil
		}
	}
	r.log.add(out)
	return nil
}

// hubbleEnd reads an Endpoint: the workload of a pod, else the pod, else who the identity is
// reserved for, at an address.
func hubbleEnd(e fields, ip string) (End, error) {
	a, err := addressOf(ip)
	if err != nil {
		return End{}, err
	}
	out := End{Namespace: e.text("namespace"), Pod: e.text("podname")}
	if list, _ := e["workloads"].([]any); len(list) > 0 {
		if w, ok := list[0].(fields); ok {
			out.Kind, out.Name = w.text("kind"), w.text("name")
		}
	}
	if out.Namespace != "" && (out.Name != "" || out.Pod != "") {
		if out.Name != "" {
			out.Pod = "" // its pods come and go
		}
		return out, nil
	}
	out = End{Address: a}
	labels, _ := e["labels"].([]any)
	for _, l := range labels {
		switch l {
		case "reserved:host", "reserved:remote-node", "reserved:health", "reserved:ingress":
			out.Host = true
		}
	}
	if !a.IsValid() && !out.Host {
		return out, errNobody
	}
	return out, nil
}
