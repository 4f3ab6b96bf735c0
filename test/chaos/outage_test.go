package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	podculliscluster "github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/live"
	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/server"
)

// maxStaleness is what the replicas of these tests are started with.
const maxStaleness = 5 * time.Second

// readers is a netpol that lets pods with role=reader reach the db. It opens
// nothing while no pod has that label.
var readers = opening("readers", []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"role": "reader"}}}})

// The watches of each replica are cut off in another way, then a change makes a
// request forbidden that the old model would allow.
func TestWhoIsCutOffAllowsNothingBlindly(t *testing.T) {
	c := start(t)
	certs, _ := certificates(t)
	via := newProxy(t, "127.0.0.1:0", strings.TrimPrefix(c.URL, "https://"))
	refusing := newProxy(t, "127.0.0.1:0", strings.TrimPrefix(c.URL, "https://"))
	silent := newWithholder(t, c.REST())
	ways := []struct {
		name, kubeconfig string
		cut, heal        func()
	}{
		{"connections into the void", kubeconfigVia(t, c.Kubeconfig, via.address()), via.hole, via.heal},
		{"connections refused", kubeconfigVia(t, c.Kubeconfig, refusing.address()), refusing.shut, refusing.heal},
		{"watches held back by a proxy", silent.kubeconfig(t), func() { silent.hold(&silent.flows) }, func() { silent.pass(&silent.flows) }},
	}
	replicas := make([]*replica, len(ways))
	for i, way := range ways {
		replicas[i] = c.launch(t, replicaOptions{certs: certs, kubeconfig: way.kubeconfig, args: []string{"--max-staleness", maxStaleness.String()}})
	}
	logging := strings.TrimSpace(c.kubectl(t, "", "-n", "shop", "get", "pods", "-l", "app=logging", "-o", "name"))
	caller, question := newCaller(t), review(t, readers)
	for i, r := range replicas {
		if said, err := caller.ask(t.Context(), r, question); err != nil || !said.allowed {
			t.Fatalf("%s: before the fault: %v, %v", ways[i].name, said, err)
		}
	}

	for _, way := range ways {
		way.cut()
	}
	c.kubectl(t, "", "-n", "shop", "label", logging, "role=reader")
	t.Cleanup(func() { c.kubectlAnyway("-n", "shop", "label", logging, "role-") })
	changed := time.Now()
	calls := size(300, 10_000)
	var all sync.WaitGroup
	for i, r := range replicas {
		all.Go(func() {
			var asked, early, blind, unavailable int64
			for left := calls; left > 0; {
				began := time.Now()
				said, err := caller.ask(t.Context(), r, question)
				asked++
				late := began.Sub(changed) > maxStaleness
				switch {
				case err != nil:
					t.Errorf("%s: %v", ways[i].name, err)
					return
				case said.allowed && late:
					blind++
				case said.allowed:
					early++
				case said.status == http.StatusServiceUnavailable:
					unavailable++
				}
				if late {
					left--
				} else {
					pause(t, 20*time.Millisecond)
				}
			}
			_, notReady := server.Get(t.Context(), "http://"+r.probes+"/readyz")
			if notReady == nil || !strings.Contains(notReady.Error(), "may be out of date") {
				t.Errorf("%s: readiness says %v", ways[i].name, notReady)
			}
			ways[i].heal()
			await(t, ways[i].name+": the right answer after the fault", func(ctx context.Context) error {
				said, err := caller.ask(ctx, r, question)
				if err == nil && (said.allowed || said.code != http.StatusForbidden) {
					err = errors.New(said.String())
				}
				return err
			})
			record(t, row{
				day: "cut off", injected: ways[i].name, asked: asked, wrong: blind,
				remark: fmt.Sprintf("%d allowed in the first %s, then %d times 503; right after healing", early, maxStaleness, unavailable),
			})
			if blind > 0 {
				t.Errorf("%s: %d blind allows", ways[i].name, blind)
			}
		})
	}
	all.Wait()
}

// A quiet cluster is no stale one.
func TestQuietWatchesAreNotStale(t *testing.T) {
	c := start(t)
	certs, _ := certificates(t)
	r := c.launch(t, replicaOptions{certs: certs, args: []string{"--max-staleness", maxStaleness.String()}})
	caller, question := newCaller(t), review(t, harmless)
	began, spell := time.Now(), time.Duration(size(10, 60))*time.Second
	var asked, unavailable int64
	for time.Since(began) < spell {
		said, err := caller.ask(t.Context(), r, question)
		asked++
		if err != nil || !said.allowed {
			unavailable++
			t.Errorf("%v, %v", said, err)
		}
		pause(t, 50*time.Millisecond)
	}
	record(t, row{day: "nothing happens", injected: fmt.Sprintf("a quiet cluster for %s", spell), asked: asked, lost: unavailable, remark: fmt.Sprintf("--max-staleness %s", maxStaleness)})
}

// follower is a model in this process.
type follower struct {
	*live.Model
	stop func()
}

func (c cluster) follow(t *testing.T) *follower {
	t.Helper()
	config := c.REST()
	source, err := live.NewSource(config)
	if err != nil {
		t.Fatal(err)
	}
	probe, err := live.NewProbe(config)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{Model: live.New(source, live.Options{Probe: probe, ProbePeriod: time.Second})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Start(ctx) }()
	f.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(f.stop)
	return f
}

func (f *follower) objects() []podculliscluster.Object { return slices.Collect(f.Snapshot().Objects()) }

// After each crash of the API server or etcd the model comes to equal that of a
// process that has just started.
func TestControlPlaneKilledAndBack(t *testing.T) {
	c := start(t)
	old := c.follow(t)
	if !old.WaitFor(t.Context(), func(*podculliscluster.Snapshot) bool { return true }) {
		t.Fatal("not synced")
	}
	kills := size(2, 50)
	var equal, confirmed time.Duration // the longest, after the API server was back
	var differing int64
	for i := range kills {
		stop, begin := c.StopAPIServer, c.StartAPIServer
		if i%2 == 1 {
			stop, begin = c.StopEtcd, c.StartEtcd
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		pause(t, time.Second)
		if err := begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		// What the model must come to show: it has heard nothing since before the crash.
		await(t, "a change after the crash", func(ctx context.Context) error {
			_, _, err := c.Kubectl(ctx, "", "label", "namespace", "shop", fmt.Sprintf("crash=%d", i), "--overwrite")
			return err
		})
		back := time.Now()
		fresh := c.follow(t)
		within := func(what string, condition func() error) (took time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := controlplane.Await(ctx, what, func(context.Context) error { return condition() }); err != nil {
				differing++
				t.Error(err)
			}
			return time.Since(back)
		}
		equal = max(equal, within("the model to equal a fresh one", func() error {
			switch {
			case !fresh.Synced():
				return errors.New("the fresh one is not synced")
			case !reflect.DeepEqual(old.objects(), fresh.objects()):
				return errors.New("they differ")
			}
			return nil
		}))
		confirmed = max(confirmed, within("the model to be confirmed", func() error {
			if age, kind := old.Age(); age > 3*time.Second {
				return fmt.Errorf("it is %s out of date for kind %s", age, kind)
			}
			return nil
		}))
		fresh.stop()
	}
	// Ten times what it takes; an informer's growing pause came to a minute.
	if bound := 20 * time.Second; equal > bound || confirmed > bound {
		t.Errorf("equal after %s, confirmed after %s, want at most %s", equal, confirmed, bound)
	}
	record(t, row{
		day: "API server, etcd killed", injected: fmt.Sprintf("%d kills in turn", kills), asked: int64(kills), wrong: differing,
		remark: fmt.Sprintf("model compared with a fresh process's after each: equal within %s of the first write, confirmed within %s",
			equal.Round(100*time.Millisecond), confirmed.Round(100*time.Millisecond)),
	})
}

func TestColdStartAllowsNothingBeforeItKnowsEverything(t *testing.T) {
	c := start(t)
	pods := size(200, 10_000)
	c.crowd(t, pods)
	certs, _ := certificates(t)
	way := newWithholder(t, c.REST())
	way.hold(&way.lists)
	r := c.launch(t, replicaOptions{certs: certs, kubeconfig: way.kubeconfig(t), unready: true})
	caller := newCaller(t)
	r.awaitListening(t)
	questions := [][]byte{review(t, forbidden), review(t, harmless)}
	var asked, blind int64
	ask := func(i int) reply {
		said, err := caller.ask(t.Context(), r, questions[i%2])
		if err != nil {
			t.Fatal(err)
		}
		asked++
		return said
	}
	for i := range size(300, 10_000) {
		if said := ask(i); said.status != http.StatusServiceUnavailable {
			blind++
			t.Errorf("before the lists: %v", said)
		}
	}
	way.pass(&way.lists)
	released := time.Now()
	var before int64
	for {
		if said := ask(0); said.status == http.StatusOK {
			if said.allowed {
				blind++
				t.Errorf("the first answer: %v", said)
			}
			break
		}
		before++
		if time.Since(released) > patience {
			t.Fatal("it does not become ready")
		}
		pause(t, 5*time.Millisecond)
	}
	record(t, row{
		day: "cold start", injected: fmt.Sprintf("%d pods, lists held back, then slow", pods), asked: asked, wrong: blind,
		remark: fmt.Sprintf("503 until %s after the lists were let go (%d asked meanwhile), then right", time.Since(released).Round(10*time.Millisecond), before),
	})
}

func TestColdStartWithoutAnAPIServerWaitsForIt(t *testing.T) {
	c := start(t)
	certs, _ := certificates(t)
	way := newProxy(t, "127.0.0.1:0", strings.TrimPrefix(c.URL, "https://"))
	way.shut()
	r := c.launch(t, replicaOptions{certs: certs, kubeconfig: kubeconfigVia(t, c.Kubeconfig, way.address()), unready: true})
	caller := newCaller(t)
	var asked, blind int64
	r.awaitListening(t)
	for range 100 {
		said, err := caller.ask(t.Context(), r, review(t, harmless))
		if asked++; err != nil || said.status != http.StatusServiceUnavailable {
			blind++
			t.Errorf("%v, %v", said, err)
		}
	}
	pause(t, 2*time.Second)
	r.alive(t)
	way.heal()
	r.AwaitReady(t, r.probes)
	said, err := caller.ask(t.Context(), r, review(t, forbidden))
	if err != nil || said.status != http.StatusOK || said.allowed {
		t.Errorf("after the API server came: %v, %v", said, err)
	}
	record(t, row{day: "cold start", injected: "no API server there", asked: asked, wrong: blind, remark: "waits unready, right when it comes"})
}

// crowd makes pods in a namespace of their own.
func (c cluster) crowd(t *testing.T, pods int) {
	t.Helper()
	if err := c.CreateNamespace(t.Context(), "crowd", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.kubectlAnyway("-n", "crowd", "delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false")
		c.kubectlAnyway("delete", "namespace", "crowd", "--wait=false")
	})
	api := c.client.CoreV1().Pods("crowd")
	names := make(chan int)
	var makers sync.WaitGroup
	for range 8 {
		makers.Go(func() {
			for i := range names {
				pod := &corev1.Pod{
					ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%05d", i), Labels: map[string]string{"app": fmt.Sprintf("a%d", i%100)}},
					Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.test/c"}}},
				}
				if _, err := api.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range pods {
		names <- i
	}
	close(names)
	makers.Wait()
}
