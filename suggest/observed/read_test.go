package observed_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/suggest/observed"
)

// A line of `hubble observe -o jsonpb`, as api/v1/flow/flow.proto and observer.proto have it.
const hubbleLine = `{"flow":{"time":"2026-11-27T10:00:00.5Z","uuid":"1","verdict":"FORWARDED","IP":{"source":"10.0.1.5","destination":"10.0.1.9","ipVersion":"IPv4"},` +
	`"l4":{"TCP":{"source_port":40000,"destination_port":8080,"flags":{"SYN":true}}},` +
	`"source":{"ID":1,"identity":200,"namespace":"shop","labels":["k8s:app=frontend"],"pod_name":"frontend-6c9f8d5b7d-x2x4z","workloads":[{"name":"frontend","kind":"Deployment"}]},` +
	`"destination":{"ID":2,"identity":201,"namespace":"shop","labels":["k8s:app=backend"],"pod_name":"backend-7f9c-2bcdf","workloads":[{"name":"backend","kind":"Deployment"}]},` +
	`"Type":"L3_L4","node_name":"n1","is_reply":false,"traffic_direction":"EGRESS"},"node_name":"n1","time":"2026-11-27T10:00:00.5Z"}`

// with replaces parts of a line.
func with(line string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(line, pairs[i]) {
			panic(pairs[i] + " is not in " + line)
		}
		line = strings.Replace(line, pairs[i], pairs[i+1], 1)
	}
	return line
}

// A flow log of Calico, and a FlowResult of Goldmane as protobuf's JSON and as Go's.
const (
	calicoLine = `{"start_time":1795773600,"end_time":1795774200,"source_ip":null,"source_name":"-","source_name_aggr":"frontend-6c9f8d5b7d-*","source_namespace":"shop","source_port":null,"source_type":"wep",` +
		`"dest_ip":null,"dest_name":"-","dest_name_aggr":"db-*","dest_namespace":"shop","dest_port":5432,"dest_type":"wep","proto":"tcp","action":"allow","reporter":"src"}`
	goldmaneLine = `{"id":"7","flow":{"Key":{"sourceName":"frontend-6c9f8d5b7d-*","sourceNamespace":"shop","sourceType":"WorkloadEndpoint","destName":"db-*","destNamespace":"shop","destType":"WorkloadEndpoint",` +
		`"destPort":"5432","proto":"tcp","reporter":"Dst","action":"Allow"},"startTime":"1795773600","endTime":"1795773615"}}`
	whiskerLine = `{"start_time":"2026-11-27T10:00:00Z","end_time":"2026-11-27T10:00:15Z","action":"Allow","source_name":"frontend-*","source_namespace":"shop","dest_name":"pub","dest_namespace":"-","protocol":"tcp","dest_port":"443","reporter":"Src"}`
)

func TestRead(t *testing.T) {
	tests := map[string]struct {
		text, want string
	}{
		"Hubble":                   {hubbleLine, "shop/Deployment/frontend -> shop/Deployment/backend TCP 8080 x1 f:1\nread 1"},
		"HubbleTheFlowAlone":       {`{"verdict":"FORWARDED","l4":{"UDP":{"destination_port":53}},"source":{"namespace":"shop","pod_name":"a"},"destination":{"labels":["reserved:world"]},"IP":{"destination":"203.0.113.9"},"is_reply":false}`, "shop/a -> 203.0.113.9 UDP 53 x1 f:1\nread 1"},
		"HubbleInCamelCase":        {with(hubbleLine, `"pod_name"`, `"podName"`, `"destination_port"`, `"destinationPort"`, `"is_reply"`, `"isReply"`), "shop/Deployment/frontend -> shop/Deployment/backend TCP 8080 x1 f:1\nread 1"},
		"HubbleManyTimes":          {hubbleLine + "\n\n" + hubbleLine, "shop/Deployment/frontend -> shop/Deployment/backend TCP 8080 x2 f:1\nread 2"},
		"HubbleDropped":            {with(hubbleLine, "FORWARDED", "DROPPED"), "read 1 dropped 1"},
		"HubbleReply":              {with(hubbleLine, `"is_reply":false`, `"is_reply":true`), "read 1 replies 1"},
		"HubbleReplyByFlags":       {with(hubbleLine, `"is_reply":false,`, "", `"SYN":true`, `"SYN":true,"ACK":true`), "read 1 replies 1"},
		"HubbleBeginsByFlags":      {with(hubbleLine, `"is_reply":false,`, ""), "shop/Deployment/frontend -> shop/Deployment/backend TCP 8080 x1 f:1\nread 1"},
		"HubbleWhoBeganIsUnknown":  {with(hubbleLine, `"is_reply":false,`, "", `"SYN":true`, `"ACK":true`), "read 1 undirected 1"},
		"HubbleICMP":               {with(hubbleLine, `"TCP":{"source_port":40000,"destination_port":8080,"flags":{"SYN":true}}`, `"ICMPv4":{"type":8}`), "read 1 portless 1"},
		"HubbleFromANode":          {with(hubbleLine, `"namespace":"shop","labels":["k8s:app=frontend"],"pod_name":"frontend-6c9f8d5b7d-x2x4z","workloads":[{"name":"frontend","kind":"Deployment"}]`, `"labels":["reserved:host"]`), "node 10.0.1.5 -> shop/Deployment/backend TCP 8080 x1 f:1\nread 1"},
		"HubbleLostEvents":         {hubbleLine + `{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"12"}}`, "shop/Deployment/frontend -> shop/Deployment/backend TCP 8080 x1 f:1\nread 1 lost 12"},
		"HubbleNodeStatus":         {hubbleLine + `{"node_status":{"state_change":"NODE_CONNECTED"}}`, "shop/Deployment/frontend -> shop/Deployment/backend TCP 8080 x1 f:1\nread 1 others 1"},
		"Calico":                   {calicoLine, "shop/frontend-6c9f8d5b7d-* -> shop/db-* TCP 5432 x1 f:1\nread 1"},
		"CalicoRefusedAtTheEnd":    {calicoLine + "\n" + with(calicoLine, `"allow"`, `"deny"`, `"src"`, `"dst"`), "read 2 dropped 2"},
		"CalicoAllowedAtTheEndToo": {calicoLine + "\n" + with(calicoLine, `"src"`, `"dst"`) + with(calicoLine, `"allow"`, `"deny"`, `"src"`, `"dst"`), "shop/frontend-6c9f8d5b7d-* -> shop/db-* TCP 5432 x2 f:1\nread 3 dropped 1"},
		"CalicoWithNumbers":        {with(calicoLine, `"tcp"`, `17`, `"dest_port":5432`, `"dest_port":"53"`), "shop/frontend-6c9f8d5b7d-* -> shop/db-* UDP 53 x1 f:1\nread 1"},
		"CalicoFromOutside":        {with(calicoLine, `"source_ip":null,"source_name":"-","source_name_aggr":"frontend-6c9f8d5b7d-*","source_namespace":"shop","source_port":null,"source_type":"wep"`, `"source_ip":"198.51.100.4","source_name_aggr":"pub","source_namespace":"-","source_type":"net"`), "198.51.100.4 -> shop/db-* TCP 5432 x1 f:1\nread 1"},
		"CalicoFromOfANode":        {with(calicoLine, `"source_type":"wep"`, `"source_type":"hep"`), "a node -> shop/db-* TCP 5432 x1 f:1\nread 1"},
		"CalicoAsASearchAnswers":   {`{"hits":{"total":1,"hits":[{"_index":"x","_source":` + calicoLine + `}]}}`, "shop/frontend-6c9f8d5b7d-* -> shop/db-* TCP 5432 x1 f:1\nread 1"},
		"Goldmane":                 {goldmaneLine, "shop/frontend-6c9f8d5b7d-* -> shop/db-* TCP 5432 x1 f:1\nread 1"},
		"GoldmaneByGo":             {with(goldmaneLine, `"sourceName"`, `"source_name"`, `"destPort":"5432"`, `"dest_port":5432`, `"WorkloadEndpoint"`, `"WorkloadEndpoint"`), "shop/frontend-6c9f8d5b7d-* -> shop/db-* TCP 5432 x1 f:1\nread 1"},
		"GoldmaneList":             {"{\n \"meta\": {},\n \"flows\": [\n  " + goldmaneLine + ",\n  " + with(goldmaneLine, "5432", "5433") + "\n ]\n}", "shop/frontend-6c9f8d5b7d-* -> shop/db-* TCP 5432 x1 f:4\nshop/frontend-6c9f8d5b7d-* -> shop/db-* TCP 5433 x1 f:5\nread 2"},
		"Whisker":                  {"[" + whiskerLine + "]", "shop/frontend-* -> 0.0.0.0/0 TCP 443 x1 f:1\nread 1"},
		"CSV":                      {"from,to,protocol,port\nshop/web,shop/StatefulSet/db,tcp,5432\n203.0.113.0/24, shop/web ,,8443\n", "shop/web -> shop/StatefulSet/db TCP 5432 x1 f:2\n203.0.113.0/24 -> shop/web TCP 8443 x1 f:3\nread 2"},
		"CSVOfConnections":         {"from,to,verdict,protocol,port,endPort,because\nshop/Deployment/a,shop/Deployment/b,open,UDP,1,65535,x\nshop/Deployment/b,shop/Deployment/a,unknown,UDP,1,1,\"y, z\"\n", "shop/Deployment/a -> shop/Deployment/b UDP 1-65535 x1 f:2\nread 2 dropped 1"},
		"CSVByOtherNames":          {"Source,Destination,dest_port\nshop/a,shop/b,80\n", "shop/a -> shop/b TCP 80 x1 f:2\nread 1"},

		"NotJSON":                {hubbleLine + "\n{\"flow\": oops}", "error: f:2: is no JSON: invalid character 'o' looking for beginning of value"},
		"CutOff":                 {hubbleLine + "\n" + hubbleLine[:300], "error: f:2: is no JSON: unexpected EOF"},
		"NoObject":               {"[1]", "error: f:1: want an object with a flow, got 1"},
		"NeitherOne":             {`{"a":1,"b":2}`, "error: f:1: is neither a flow of Hubble (flow.verdict, flow.source, ...) nor one of Calico (source_namespace, dest_namespace, action, ...); the fields are a, b"},
		"Empty":                  {" \n", "error: f: is empty; a list without a connection would cut everything"},
		"NoFlow":                 {`{"lost_events":{"num_events_lost":1}}`, "error: f: holds no flow; a list without a connection would cut everything"},
		"HubbleUnknownVerdict":   {with(hubbleLine, "FORWARDED", "MAYBE"), `error: f:1: verdict: "MAYBE" is none that is known: FORWARDED, REDIRECTED, AUDIT, DROPPED, ERROR, TRACED, TRANSLATED, VERDICT_UNKNOWN, UNKNOWN`},
		"HubblePort":             {with(hubbleLine, "8080", "80800"), `error: f:1: l4.destination_port: "80800" is not a port: want a number from 1 to 65535`},
		"HubbleNobody":           {with(hubbleLine, `"source":"10.0.1.5",`, "", `"namespace":"shop",`, ""), "error: f:1: source: names neither a pod of a namespace nor an address"},
		"HubbleTime":             {with(hubbleLine, `"2026-11-27T10:00:00.5Z"`, `"yesterday"`), `error: f:1: time: "yesterday" is not a time: want 2026-11-28T02:00:00Z, or seconds since 1970`},
		"CalicoAction":           {with(calicoLine, `"allow"`, `"perhaps"`), `error: f:1: action: want allow or deny, got "perhaps"`},
		"CalicoNoPort":           {with(calicoLine, "5432", "null"), `error: f:1: dest_port: "" is not a port: want a number from 1 to 65535`},
		"CalicoNoProtocol":       {with(calicoLine, `"proto":"tcp",`, ""), "error: f:1: has no proto"},
		"CalicoAddressIsNotTold": {with(calicoLine, `"dest_type":"wep"`, `"dest_type":"ns"`), `error: f:1: dest: "db-*" is of type "ns", and its address is not told`},
		"CSVWithoutNames":        {"shop/a,shop/b,TCP,80\n", "error: f:1: no column is called from: the first row names the columns, from,to,protocol,port"},
		"CSVShortRow":            {"from,to,port\nshop/a,shop/b\n", "error: f: record on line 2: wrong number of fields"},
		"CSVEnd":                 {"from,to,port\nshop,shop/b,80\n", `error: f:2: from: "shop" is neither namespace/name, namespace/Kind/name, an address nor a CIDR`},
		"CSVPort":                {"from,to,port\nshop/a,shop/b,http\n", `error: f:2: port: "http" is not a port: want a number from 1 to 65535`},
		"CSVRange":               {"from,to,port,endPort\nshop/a,shop/b,80,79\n", `error: f:2: endPort: 79 is before the port 80`},
		"CSVVerdict":             {"from,to,port,verdict\nshop/a,shop/b,80,so-so\n", `error: f:2: verdict: want open or blocked, got "so-so"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			log, err := observed.Read("f", strings.NewReader(test.text), observed.Auto)
			var got string
			if err != nil {
				got = "error: " + err.Error()
			} else {
				got = words(log)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func words(l *observed.Log) string {
	var b strings.Builder
	for _, f := range l.Flows {
		fmt.Fprintf(&b, "%s -> %s %s %d", f.From, f.To, f.Protocol, f.First)
		if f.Last != f.First {
			fmt.Fprintf(&b, "-%d", f.Last)
		}
		fmt.Fprintf(&b, " x%d %s\n", f.Count, f.At)
	}
	fmt.Fprintf(&b, "read %d", l.Read)
	for _, x := range []struct {
		n    int
		word string
	}{{l.Dropped, "dropped"}, {l.Replies, "replies"}, {l.Portless, "portless"}, {l.Others, "others"}, {len(l.Undirected), "undirected"}, {l.Lost, "lost"}} {
		if x.n > 0 {
			fmt.Fprintf(&b, " %s %d", x.word, x.n)
		}
	}
	return b.String()
}

// What is said of two files is what is said of one with both.
func TestJoin(t *testing.T) {
	read := func(text string) *observed.Log {
		l, err := observed.Read("f", strings.NewReader(text), observed.Auto)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	other := with(hubbleLine, "8080", "8081", "2026-11-27T10:00:00.5Z", "2026-11-27T12:00:00Z")
	got := read(hubbleLine)
	got.Join(read(other + hubbleLine))
	want := read(hubbleLine + other + hubbleLine)
	if diff := cmp.Diff(words(want), words(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Begin != want.Begin || got.End != want.End || got.End.Sub(got.Begin).Hours() < 1.9 {
		t.Errorf("from %s to %s, want from %s to %s", got.Begin, got.End, want.Begin, want.End)
	}
}

// Whatever is read, every flow is counted: kept, or why not. What is no flow is an error.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{hubbleLine, calicoLine, goldmaneLine, "[" + whiskerLine + "]", "from,to,port\na/b,c/d,80\n", `{"flows":[]}`, `{"hits":{"hits":[]}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := observed.Read("f", strings.NewReader(string(text)), observed.Auto)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("the error names no file: %v", err)
			}
			return
		}
		kept := 0
		for _, x := range l.Flows {
			kept += x.Count
			if x.First == 0 || x.Last < x.First || x.At.Line < 1 {
				t.Fatalf("%+v", x)
			}
		}
		if all := kept + l.Dropped + l.Replies + l.Portless + len(l.Undirected); all > l.Read || all+l.Others < l.Read {
			t.Fatalf("%d were read and %d are told of: %s", l.Read, all, words(l))
		}
	})
}
