package report_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
	"github.com/podcullis/podcullis/connectivity"
	"github.com/podcullis/podcullis/report"
)

const butPrivate = "anywhere but 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16"

func internetOnly(t *testing.T, except string) *cluster.Snapshot {
	t.Helper()
	return clustertest.Snapshot(t, clustertest.Deployment("s/web", clustertest.Labels("app=web")),
		clustertest.Netpol("s/web", "{podSelector: {}, policyTypes: [Ingress, Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: ["+except+"]}}]}]}"))
}

// A rule with exceptions is one line wherever people read, and machines get the blocks
// that they always got, with the name of the set beside each.
func TestARuleWithExceptionsIsOneLine(t *testing.T) {
	s := internetOnly(t, "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16")
	list := connectivity.Connections(s, connectivity.Options{})
	text := written(t, func(w io.Writer) error { return report.ConnectionsText(w, list) })
	if strings.Count(text, "\n") != 2 || !strings.Contains(text, butPrivate) || report.Lines(list) != 1 {
		t.Errorf("want a line of names and one more with %q:\n%s", butPrivate, text)
	}
	w, _ := s.Workload(cluster.Ref{Namespace: "s", Kind: "Deployment", Name: "web"})
	x := connectivity.Explain(s, connectivity.Peer{Workload: w}, connectivity.Peer{CIDR: connectivity.Anywhere()[0]}, connectivity.PortSet{}, connectivity.Options{})
	text = written(t, func(w io.Writer) error { return report.ExplanationText(w, x, report.Style{}) })
	if strings.Count(text, "\n") > 6 || !strings.Contains(text, "s/Deployment/web to "+butPrivate+" on all ports: open") {
		t.Errorf("the explanation is\n%s", text)
	}
	text = written(t, func(w io.Writer) error { return report.ConnectionsJSON(w, list) })
	var doc struct {
		Items []struct {
			To struct{ CIDR, Addresses string } `json:"to"`
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Items) != len(list) || len(list) < 10 {
		t.Errorf("%d items, want the %d blocks", len(doc.Items), len(list))
	}
	for _, i := range doc.Items {
		if i.To.CIDR == "" || i.To.Addresses != butPrivate {
			t.Errorf("got %+v", i)
		}
	}
}

func TestADifferenceOfExceptionsIsOneLine(t *testing.T) {
	before, after := internetOnly(t, "10.0.0.0/8, 172.16.0.0/12"), internetOnly(t, "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10")
	list := connectivity.Diff(before, after, connectivity.Options{})
	for name, write := range map[string]func(io.Writer) error{
		"Text":     func(w io.Writer) error { return report.DiffText(w, list, report.Style{}) },
		"Markdown": func(w io.Writer) error { return report.DiffMarkdown(w, list) },
	} {
		if text := written(t, write); strings.Count(text, "100.64.0.0/10, 192.168.0.0/16") != 1 || strings.Count(text, "removed") < 1 {
			t.Errorf("%s:\n%s", name, text)
		}
	}
	if got := report.Count(list); got.Removed != 1 || got.Added+got.Changed != 0 {
		t.Errorf("counted %v, want one removed", got)
	}
	// What is left is every other address.
	list = connectivity.Diff(clustertest.Snapshot(t), after, connectivity.Options{})
	if got := report.Count(list); got.Added != 1 {
		t.Errorf("counted %v, want one added", got)
	}
}
