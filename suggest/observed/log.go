package observed

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/podcullis/podcullis/cluster"
)

// Format is how a file of flows is written.
type Format string

// The formats. Auto tells the others apart.
const (
	Auto   Format = "auto"
	Hubble Format = "hubble"
	Calico Format = "calico"
	CSV    Format = "csv"
)

// Formats are all of them.
func Formats() []string { return []string{string(Auto), string(Hubble), string(Calico), string(CSV)} }

// Location is where a flow is written.
type Location struct {
	File string
	Line int
}

func (l Location) String() string { return fmt.Sprintf("%s:%d", l.File, l.Line) }

// Flow is a connection that was seen, with all flows that say the same.
type Flow struct {
	From, To    End
	Protocol    cluster.Protocol
	First, Last uint16 // ports
	At          Location
	Count       int
	// Listed is set for one that somebody wants, and that nobody need have seen.
	Listed bool
}

// End is one end of a flow, as the flow names it.
type End struct {
	Namespace string
	// Kind and Name are those of a workload. Pod is the name of a pod, or of several
	// that end in "*".
	Kind, Name, Pod string
	Address         netip.Addr
	// Block is set instead of Address for one that is written as a block, and for "pub" and
	// "pvt", by which Calico names addresses that it does not tell.
	Blocks []netip.Prefix
	// Host is set for a node.
	Host bool
}

// String names the end for people.
func (e End) String() string {
	name := cmp.Or(e.Name, e.Pod)
	switch {
	case e.Kind != "":
		return e.Namespace + "/" + e.Kind + "/" + name
	case name != "" && e.Namespace != "":
		return e.Namespace + "/" + name
	case e.Host && e.Address.IsValid():
		return "node " + e.Address.String()
	case e.Address.IsValid():
		return e.Address.String()
	case len(e.Blocks) > 0:
		return fmt.Sprint(e.Blocks[0])
	case e.Host:
		return "a node"
	}
	return cmp.Or(name, "nobody")
}

// Log is what was read.
type Log struct {
	// Flows that got through, each once, by where they were first seen.
	Flows []Flow
	// Read counts all flows; Dropped those that did not get through, Replies the answers,
	// Portless what is neither TCP, UDP nor SCTP, and Others what is said beside flows.
	Read, Dropped, Replies, Portless, Others int
	// Undirected are flows of which it is not known who began.
	Undirected []Flow
	// Lost is how many flows the observer says that it lost.
	Lost int
	// Begin and End are the times of the first and the last flow; zero where none says so.
	Begin, End time.Time

	at     map[flowKey]int
	denied map[flowKey]bool // at the destination
	passed map[flowKey]bool // at the destination
}

type flowKey struct{ text string }

func keyOf(f Flow) flowKey {
	return flowKey{fmt.Sprintf("%+v %+v %d %d %d", f.From, f.To, f.Protocol, f.First, f.Last)}
}

func newLog() *Log {
	return &Log{at: map[flowKey]int{}, denied: map[flowKey]bool{}, passed: map[flowKey]bool{}}
}

func (l *Log) add(f Flow) {
	key := keyOf(f)
	if i, ok := l.at[key]; ok {
		l.Flows[i].Count++
		return
	}
	f.Count = 1
	l.at[key] = len(l.Flows)
	l.Flows = append(l.Flows, f)
}

// seen notes a time.
func (l *Log) seen(t time.Time) {
	if t.IsZero() {
		return
	}
	if l.Begin.IsZero() || t.Before(l.Begin) {
		l.Begin = t
	}
	if t.After(l.End) {
		l.End = t
	}
}

// settle leaves out what only its sender let through.
func (l *Log) settle() {
	l.Flows = slices.DeleteFunc(l.Flows, func(f Flow) bool {
		key := keyOf(f)
		refused := l.denied[key] && !l.passed[key]
		if refused {
			l.Dropped += f.Count
		}
		return refused
	})
	l.at = nil
}

// Join adds what another log says.
func (l *Log) Join(o *Log) {
	if l.at == nil {
		l.at = map[flowKey]int{}
		for i, f := range l.Flows {
			l.at[keyOf(f)] = i
		}
	}
	for _, f := range o.Flows {
		count := f.Count
		l.add(f)
		l.Flows[l.at[keyOf(f)]].Count += count - 1
	}
	l.Undirected = append(l.Undirected, o.Undirected...)
	l.Read, l.Dropped, l.Replies, l.Portless, l.Others, l.Lost = l.Read+o.Read, l.Dropped+o.Dropped, l.Replies+o.Replies, l.Portless+o.Portless, l.Others+o.Others, l.Lost+o.Lost
	l.seen(o.Begin)
	l.seen(o.End)
}
