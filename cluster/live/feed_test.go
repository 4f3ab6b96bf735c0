package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

// client-go spaces errors that it is told of by the time since the last one, and keeps
// that time in a variable of the process: the bubbles' clocks would confuse it.
func TestMain(m *testing.M) {
	utilruntime.ErrorHandlers = nil
	goleak.VerifyTestMain(m)
}

// fakeKind is what an API server has of one kind. It answers nothing until answer
// is called.
type fakeKind struct {
	answers chan struct{} // closed when lists are answered

	mu      sync.Mutex
	objects map[string]runtime.Object
	version int
	watch   *watch.FakeWatcher // nil while nobody watches
	err     error              // of every call, while set
	noWatch error              // of every watch, while set
	asked   []time.Time        // since the last fault began
}

func newFakeKind() *fakeKind {
	return &fakeKind{answers: make(chan struct{}), objects: map[string]runtime.Object{}, version: 1}
}

func (k *fakeKind) answer() { close(k.answers) }

func (k *fakeKind) listWatch() *toolscache.ListWatch {
	return &toolscache.ListWatch{ListWithContextFunc: k.list, WatchFuncWithContext: k.begin}
}

func (k *fakeKind) list(ctx context.Context, _ metav1.ListOptions) (runtime.Object, error) {
	select {
	case <-k.answers:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, time.Now())
	list := &corev1.List{ListMeta: metav1.ListMeta{ResourceVersion: fmt.Sprint(k.version)}}
	for _, name := range slices.Sorted(maps.Keys(k.objects)) {
		list.Items = append(list.Items, runtime.RawExtension{Object: k.objects[name]})
	}
	return list, k.err
}

func (k *fakeKind) begin(_ context.Context, options metav1.ListOptions) (watch.Interface, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case options.SendInitialEvents != nil:
		return nil, errors.New("this one streams no lists")
	case k.err != nil:
		k.asked = append(k.asked, time.Now())
		return nil, k.err
	case k.noWatch != nil:
		k.asked = append(k.asked, time.Now())
		return nil, k.noWatch
	}
	// As an API server does: what is old is refused, what is yet to come waited for.
	if asked, err := strconv.Atoi(options.ResourceVersion); err != nil || asked < k.version {
		return nil, apierrors.NewResourceExpired("too old resource version")
	}
	k.watch = watch.NewFake()
	return k.watch, nil
}

// Add stores an object and tells of it.
func (k *fakeKind) Add(o runtime.Object) { k.tell(watch.Added, o) }

// Update stores an object and tells of it.
func (k *fakeKind) Update(o runtime.Object) { k.tell(watch.Modified, o) }

// Delete removes an object and tells of it.
func (k *fakeKind) Delete(o runtime.Object) { k.tell(watch.Deleted, o) }

func (k *fakeKind) tell(what watch.EventType, o runtime.Object) {
	k.mu.Lock()
	k.version++
	version, name := fmt.Sprint(k.version), o.(metav1.Object).GetName()
	o = o.DeepCopyObject()
	o.(metav1.Object).SetResourceVersion(version)
	k.objects[name] = o
	if what == watch.Deleted {
		delete(k.objects, name)
	}
	w := k.watch
	k.mu.Unlock()
	if w != nil {
		w.Action(what, o)
	}
}

// fail ends the watch, and every call until heal.
func (k *fakeKind) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err, k.asked = err, nil
	if k.watch != nil {
		k.watch.Stop()
		k.watch = nil
	}
}

func (k *fakeKind) heal() { k.fail(nil) }

func (k *fakeKind) tries() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.asked)
}

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// What comes and goes while nobody tells of it shows with the next list, and that
// comes as soon after the thirtieth outage as after the first.
func TestTheModelIsSoonRightAfterAnyNumberOfOutages(t *testing.T) {
	const soon = 4*againAfter + time.Second/2 // two pauses with their jitter, and a little for the rest
	for name, fault := range map[string]error{
		"ConnectionRefused":  errRefused,
		"ConnectionReset":    &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET},
		"ServiceUnavailable": apierrors.NewServiceUnavailable("etcd is away"),
		"TooManyRequests":    apierrors.NewTooManyRequestsError("later"),
		"Forbidden":          apierrors.NewForbidden(corev1.Resource("pods"), "", nil),
		"Nonsense":           apierrors.NewGenericServerResponse(http.StatusTeapot, "get", corev1.Resource("pods"), "", "", 0, true),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(t, Options{})
				pods := f.kind("Pod")
				pods.Add(pod("stays", "", "web"))
				pods.Add(pod("p00", "", "web"))
				f.listed()
				f.want("shop/Pod/p00", "shop/Pod/stays")
				for i := range 30 {
					pods.fail(fault)
					time.Sleep(10 * time.Second) // of the bubble's clock
					if n := pods.tries(); n < 8 || n > 25 {
						t.Errorf("outage %d: asked %d times in 10s", i, n)
					}
					pods.Delete(pod(fmt.Sprintf("p%02d", i), "", "web"))
					pods.Add(pod(fmt.Sprintf("p%02d", i+1), "", "web"))
					pods.heal()
					time.Sleep(soon)
					f.want(fmt.Sprintf("shop/Pod/p%02d", i+1), "shop/Pod/stays")
					if t.Failed() {
						return
					}
				}
			})
		})
	}
}

// A watch that ends or is too old is no outage.
func TestAWatchThatEndsIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Options{})
		pods := f.kind("Pod")
		pods.Add(pod("a", "", "web"))
		f.listed()
		time.Sleep(time.Minute)
		pods.heal() // ends it
		synctest.Wait()
		pods.Add(pod("b", "", "web"))
		f.want("shop/Pod/a", "shop/Pod/b")
		pods.fail(nil)
		pods.Delete(pod("a", "", "web")) // before anybody watches again
		time.Sleep(4 * againAfter)
		f.want("shop/Pod/b")
		f.wantLog("")
	})
}

// After a restore of etcd the API server is older than what was heard of it.
func TestAnAPIServerThatIsOlderThanItWasIsListedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Options{})
		pods := f.kind("Pod")
		for i := range 9 {
			pods.Add(pod(fmt.Sprintf("p%d", i), "", "web"))
		}
		f.listed()
		time.Sleep(time.Minute) // a watch that ends sooner is followed by a list in any case
		pods.fail(errRefused)
		time.Sleep(5 * time.Second)
		pods.mu.Lock()
		pods.version = 5
		pods.objects = map[string]runtime.Object{"old": pod("old", "5", "db")}
		pods.mu.Unlock()
		pods.heal()
		time.Sleep(8 * againAfter)
		f.want("shop/Pod/old")
		pods.Add(pod("new", "", "web"))
		f.want("shop/Pod/new", "shop/Pod/old")
	})
}

// Where lists work and watches are refused, each try lists everything: the tries
// become fewer, and are logged once.
func TestRefusedWatchesAreNotAskedForAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Options{})
		pods := f.kind("Pod")
		pods.noWatch = apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("no right to watch"))
		f.listed()
		time.Sleep(10 * time.Minute)
		if n := pods.tries(); n < 120 || n > 240 {
			t.Errorf("asked %d times in 10 minutes", n)
		}
		pods.mu.Lock()
		pods.noWatch = nil
		pods.mu.Unlock()
		time.Sleep(maxRefusedPause + 4*againAfter)
		pods.Add(pod("a", "", "web"))
		f.want("shop/Pod/a")
		f.wantLog(
			`level=WARN msg="kind cannot be listed or watched, trying again" kind=Pod error="pods is forbidden: no right to watch"`,
			`level=INFO msg="kind can be listed and watched again" kind=Pod`,
		)
	})
}

func TestAnOutageIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, Options{})
		f.listed()
		f.kind("Pod").fail(errRefused)
		time.Sleep(time.Hour)
		f.kind("Pod").heal()
		time.Sleep(4 * againAfter)
		f.wantLog(
			`level=WARN msg="kind cannot be listed or watched, trying again" kind=Pod error="dial tcp: connection refused"`,
			`level=INFO msg="kind can be listed and watched again" kind=Pod`,
		)
	})
}
