package ledger

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podcullis/podcullis/cluster"
)

func TestWorlds(t *testing.T) {
	np := func(id uint64, namespace, name, uid string) Entry {
		e := netpolEntry(namespace, name, uid)
		e.ID = id
		return e
	}
	pod := func(id uint64, op Operation, namespace, name, uid string) Entry {
		return Entry{ID: id, Ref: cluster.Ref{Namespace: namespace, Kind: "Pod", Name: name}, Resource: "pods", Operation: op, UID: types.UID(uid)}
	}
	label := Entry{ID: 9, Ref: cluster.Ref{Kind: "Namespace", Name: "b"}, Resource: "namespaces", Operation: Update, UID: "ns"}
	template := Entry{ID: 7, Ref: cluster.Ref{Namespace: "a", Kind: "Deployment", Name: "d"}, Resource: "deployments.apps", Operation: Delete, UID: "d", Before: []byte(`{}`)}
	gone := template.appearing()
	about := np(0, "a", "own", "o")
	tests := map[string]struct {
		entries []Entry
		about   Entry
		again   []string
		want    []string
	}{
		"NothingInFlight":              {nil, about, nil, []string{"nothing"}},
		"EntriesOfAKeyAreAlternatives": {[]Entry{np(1, "a", "x", "1"), np(2, "a", "x", "2")}, about, nil, []string{"nothing", "create:a/x/1", "create:a/x/2"}},
		"KeysCombine": {
			[]Entry{np(1, "a", "x", "1"), np(2, "b", "y", "2")},
			about, nil,
			[]string{"nothing", "create:b/y/2", "create:a/x/1", "create:a/x/1 create:b/y/2"},
		},
		"OtherNamespacesTakeTurns":      {[]Entry{np(1, "b", "x", "1"), np(2, "c", "y", "2")}, about, nil, []string{"nothing", "create:b/x/1", "create:c/y/2"}},
		"ANamespaceIsOfItself":          {[]Entry{label, np(1, "c", "y", "2")}, about, nil, []string{"nothing", "update:b/b/ns", "create:c/y/2"}},
		"TheOwnObjectIsWhatWasReviewed": {[]Entry{np(1, "a", "own", "other")}, about, nil, []string{"nothing"}},
		"ABindingComesOverEveryVersion": {
			[]Entry{pod(1, Create, "a", "p", "1"), pod(2, Bind, "a", "p", "1")},
			about, nil,
			[]string{"nothing", "bind:a/p/1", "create:a/p/1", "create:a/p/1 bind:a/p/1"},
		},
		"ABindingOfTheOwnPodMayCome":    {[]Entry{pod(2, Bind, "a", "p", "1")}, pod(0, Update, "a", "p", "1"), nil, []string{"nothing", "bind:a/p/1"}},
		"VersionsOfTheOwnBindingsPod":   {[]Entry{pod(2, Update, "a", "p", "1")}, pod(0, Bind, "a", "p", "1"), nil, []string{"nothing", "update:a/p/1"}},
		"WhatMayAppearIsThereOrNot":     {[]Entry{gone}, about, nil, []string{"nothing", "appear:a/d/d"}},
		"PodsOfATemplateThatGoes":       {[]Entry{template}, about, nil, []string{"nothing", "delete:a/d/d", "delete:a/d/d appear:a/d/d"}},
		"PodsOfTheOwnTemplate":          {nil, template, nil, []string{"nothing", "appear:a/d/d"}},
		"AgainOnlyForThePairThatIsNew":  {[]Entry{np(1, "a", "x", "1"), np(2, "b", "y", "2"), np(3, "c", "z", "3")}, about, []string{"c"}, []string{"nothing", "create:c/z/3", "create:a/x/1", "create:a/x/1 create:c/z/3"}},
		"AgainForEveryPairOfTheOwn":     {[]Entry{np(1, "a", "x", "1"), np(2, "b", "y", "2")}, about, []string{"a"}, []string{"nothing", "create:b/y/2", "create:a/x/1", "create:a/x/1 create:b/y/2"}},
		"AgainWhereTheEntryHasHappened": {[]Entry{np(1, "a", "x", "1")}, about, []string{"c"}, []string{"nothing", "create:a/x/1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := View{Entries: tt.entries, Again: tt.again != nil, Namespaces: tt.again}
			worlds, err := v.Worlds(tt.about)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for w := range worlds {
				got = append(got, names(w))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWorldsThatAreTooMany(t *testing.T) {
	var entries []Entry
	for i := range 5 {
		e := netpolEntry("b", strconv.Itoa(i), strconv.Itoa(i))
		e.ID = uint64(i + 1)
		entries = append(entries, e)
	}
	about := netpolEntry("a", "own", "o")
	if _, err := Worlds(entries, about); !errors.Is(err, ErrTooMany) {
		t.Errorf("five objects of one namespace: got %v, want ErrTooMany", err)
	}
	entries[4].Ref.Namespace = "c"
	if _, err := Worlds(entries, about); err != nil {
		t.Errorf("four and one in two namespaces are no pair: %v", err)
	}
	if _, err := AllWorlds(entries, about); !errors.Is(err, ErrTooMany) {
		t.Errorf("for a guardrail that looks at all of them: got %v, want ErrTooMany", err)
	}
	if _, err := Worlds([]Entry{{ID: 1, Operation: Barrier}}, about); !errors.Is(err, ErrBarrier) {
		t.Errorf("behind a barrier: got %v, want ErrBarrier", err)
	}
	worlds, err := AllWorlds(entries[3:], about)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for w := range worlds {
		got = append(got, names(w))
	}
	if want := "create:b/3/3 create:c/4/4"; !slices.Contains(got, want) {
		t.Errorf("got %q, want %q among them", got, want)
	}
}
