package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/podcullis/podcullis/test/server"
)

// Two API servers on one etcd, each with a watch cache of its own. One of them hears no more
// from etcd, and goes on answering out of its cache; what is changed comes by the other.
func TestAnAPIServerWithoutEtcdIsNotBelieved(t *testing.T) {
	c := start(t)
	certs, _ := certificates(t)
	etcd := newProxy(t, "127.0.0.1:0", c.EtcdAddress())
	url, stop, err := c.AnotherAPIServer(t.Context(), etcd.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	old := c.launch(t, replicaOptions{
		certs: certs, kubeconfig: kubeconfigVia(t, c.Kubeconfig, strings.TrimPrefix(url, "https://")), args: []string{"--max-staleness", maxStaleness.String()},
	})
	current := c.launch(t, replicaOptions{certs: certs, args: []string{"--max-staleness", maxStaleness.String()}})
	caller, question := newCaller(t), review(t, readers)
	for name, r := range map[string]*replica{"the one": old, "the other": current} {
		if said, err := caller.ask(t.Context(), r, question); err != nil || !said.allowed {
			t.Fatalf("%s, before the fault: %v, %v", name, said, err)
		}
	}
	refuses := func(r *replica) func(context.Context) error {
		return func(ctx context.Context) error {
			said, err := caller.ask(ctx, r, question)
			if err == nil && (said.allowed || said.code != http.StatusForbidden) {
				err = errors.New(said.String())
			}
			return err
		}
	}

	etcd.hole()
	logging := strings.TrimSpace(c.kubectl(t, "", "-n", "shop", "get", "pods", "-l", "app=logging", "-o", "name"))
	c.kubectl(t, "", "-n", "shop", "label", logging, "role=reader")
	t.Cleanup(func() { c.kubectlAnyway("-n", "shop", "label", logging, "role-") })
	changed := time.Now()
	await(t, "the right answer of who has the other API server", refuses(current))
	var asked, early, blind, unavailable int64
	for calls := size(200, 10_000); unavailable+blind < int64(calls); asked++ {
		began := time.Now()
		said, err := caller.ask(t.Context(), old, question)
		switch {
		case err != nil:
			t.Fatal(err)
		case said.allowed && began.Sub(changed) > maxStaleness:
			blind++
		case said.allowed:
			early++
			pause(t, 20*time.Millisecond)
		case said.status == http.StatusServiceUnavailable:
			unavailable++
		default:
			t.Fatalf("%v", said)
		}
	}
	if _, err := server.Get(t.Context(), "http://"+old.probes+"/readyz"); err == nil || !strings.Contains(err.Error(), "may be out of date") {
		t.Errorf("readiness says %v", err)
	}
	etcd.heal()
	healed := time.Now()
	await(t, "the right answer after the fault", refuses(old))
	record(t, row{
		day: "two API servers", injected: "one cut off from etcd, changes by the other", asked: asked, wrong: blind,
		remark: fmt.Sprintf("%d allowed in the first %s, then %d times 503; right %s after healing; the other replica at once", early, maxStaleness, unavailable, time.Since(healed).Round(100*time.Millisecond)),
	})
	if blind > 0 {
		t.Errorf("%d blind allows", blind)
	}
}
