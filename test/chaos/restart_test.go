package chaos

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// How long the news of a replica's end takes to reach whoever chooses where new
// connections go: usually, and where a controller or an API server is busy.
const (
	endpointLag = 500 * time.Millisecond
	slowNews    = 8 * time.Second
)

// service is replicas behind an address that the API server asks.
type service struct {
	cluster
	*proxy
	endpoints endpoints
	hosts     func() string // where the next replica listens; 127.0.0.1 if nil
	lag       time.Duration // endpointLag if 0
	options   replicaOptions
	ca        []byte
	replicas  []*replica // the oldest first
	leaving   []*replica
}

// endpoints is who tells callers where replicas are.
type endpoints interface {
	add(address string)
	remove(address string) // for new connections; those that there are stay
}

// serve starts replicas and registers them.
func (c cluster) serve(t *testing.T, replicas int, o replicaOptions) *service {
	t.Helper()
	s := &service{cluster: c, options: o, ca: o.ca}
	if o.certs == "" {
		s.options.certs, s.ca = certificates(t)
	}
	s.proxy = newProxy(t, "127.0.0.1:0")
	s.endpoints = s.proxy
	for range replicas {
		s.surge(t)
	}
	c.register(t, s.address(), s.ca, admissionregistrationv1.Fail)
	return s
}

// surge adds a replica.
func (s *service) surge(t *testing.T) {
	t.Helper()
	o := s.options
	if s.hosts != nil {
		o.host = s.hosts()
	}
	r := s.launch(t, o)
	s.replicas = append(s.replicas, r)
	s.endpoints.add(r.address)
}

// restart replaces the oldest replica in good order: the new one first, and the
// old one hears of its end before its callers do.
func (s *service) restart(t *testing.T) {
	t.Helper()
	s.surge(t)
	old := s.replicas[0]
	s.replicas = s.replicas[1:]
	old.Terminate()
	pause(t, cmp.Or(s.lag, endpointLag))
	s.endpoints.remove(old.address)
	s.leaving = append(s.leaving, old)
}

// left waits until all that were told to end have ended well.
func (s *service) left(t *testing.T) {
	t.Helper()
	for _, r := range s.leaving {
		await(t, "a replica's orderly end", func(context.Context) error {
			select {
			case <-r.Exited():
				return nil
			default:
				return errors.New("still there")
			}
		})
		if r.Err() != nil {
			t.Errorf("a replica ended with %v", r.Err())
		}
	}
	s.leaving = nil
}

func TestRollingRestartsLoseNothing(t *testing.T) {
	start(t).serve(t, 2, replicaOptions{}).roll(t, "rolling restart", "")
}

// roll restarts every replica again and again, and loses nothing.
func (s *service) roll(t *testing.T, day, remark string) {
	t.Helper()
	load := s.load(t, size(8, 16), 0)
	restarts := size(4, 100)
	calls := int64(size(1_200, 250_000))
	for range restarts {
		s.restart(t)
		load.passed(t, calls/int64(restarts))
	}
	if *scale > 0 { // the API server keeps idle connections for 90 s
		s.left(t)
	}
	load.clean(t, day, fmt.Sprintf("%d restarts of 2 replicas", restarts), remark)
}

// kill -9 loses what the victim was answering, and what is sent to it until
// callers hear that it is gone; nothing else, and nothing gets in.
func TestKilledReplicaLosesOnlyWhatItHeld(t *testing.T) {
	c := start(t)
	s := c.serve(t, 2, replicaOptions{})
	load := c.load(t, 8, 0)
	type death struct {
		at, known time.Time
		inFlight  int64
	}
	var deaths []death
	kills := size(2, 50)
	for range kills {
		load.passed(t, 100)
		victim := s.replicas[0]
		s.replicas = s.replicas[1:]
		d := death{inFlight: load.inFlight.Load(), at: time.Now()}
		victim.Kill()
		pause(t, endpointLag)
		s.remove(victim.address)
		d.known = time.Now()
		deaths = append(deaths, d)
		s.surge(t)
	}
	load.passed(t, 100)
	load.end()
	held := make([]int64, len(deaths))
	var sentToTheDead, others int64
	for _, l := range load.lost {
		other := true
		for i, d := range deaths {
			switch {
			case l.began.Before(d.at) && l.ended.After(d.at):
				held[i]++
				other = false
			case !l.began.Before(d.at) && !l.began.After(d.known):
				sentToTheDead++
				other = false
			}
		}
		if other {
			others++
		}
	}
	var inFlight int64
	for i, d := range deaths {
		inFlight += held[i]
		if held[i] > d.inFlight {
			t.Errorf("death %d lost %d requests with %d in flight", i, held[i], d.inFlight)
		}
	}
	record(t, load.row("kill -9", fmt.Sprintf("%d kills, one of 2 replicas", kills),
		fmt.Sprintf("lost: %d in flight, %d sent to the dead before callers knew (%s), %d others", inFlight, sentToTheDead, endpointLag, others)))
	if others > 0 || load.wrong.Load() > 0 {
		t.Errorf("%d lost without a reason, %d wrong:\n%s", others, load.wrong.Load(), strings.Join(load.failures, "\n"))
	}
}

// projected is what kubelet makes of a Secret: a directory for each pod, which
// learns of a change some time later, each at a time of its own.
type projected struct {
	dirs          []string
	soonest, last time.Duration
}

func (p projected) project(t *testing.T, a *authority) {
	t.Helper()
	var pods sync.WaitGroup
	for i, dir := range p.dirs {
		pods.Go(func() {
			pause(t, p.soonest+(p.last-p.soonest)*time.Duration(i)/time.Duration(len(p.dirs)-1))
			a.write(t, dir)
		})
	}
	pods.Wait()
}

// shows waits until a replica's certificate is of that CA.
func (r *replica) shows(t *testing.T, a *authority) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	await(t, "the new certificate", func(ctx context.Context) error {
		conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: pool}}).DialContext(ctx, "tcp", r.address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

// trust changes the CA bundle that the API server has, and waits until it has.
func (s *service) trust(t *testing.T, authorities ...*authority) {
	t.Helper()
	var bundle []byte
	for _, a := range authorities {
		bundle = append(bundle, a.bundle()...)
	}
	api := s.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		configuration, err := api.Get(t.Context(), configurationName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		configuration.Webhooks[0].ClientConfig.CABundle = bundle
		_, err = api.Update(t.Context(), configuration, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pause(t, time.Second) // nothing tells when the API server uses it
}

func TestRotationUnderLoadLosesNothing(t *testing.T) {
	c := start(t)
	ca := newAuthority(t)
	pods := projected{dirs: []string{t.TempDir(), t.TempDir()}, soonest: 300 * time.Millisecond, last: time.Second}
	s := &service{cluster: c, proxy: newProxy(t, "127.0.0.1:0")}
	s.endpoints = s.proxy
	for _, dir := range pods.dirs {
		ca.write(t, dir)
		s.options.certs = dir
		s.surge(t)
	}
	c.register(t, s.address(), ca.bundle(), admissionregistrationv1.Fail)
	load := c.load(t, 8, unhurried)
	leaves, lagging, authorities := size(3, 50), size(1, 5), size(1, 5)
	for i := range leaves {
		if i == leaves-lagging { // from here on as slow as kubelet
			pods.soonest, pods.last = time.Duration(size(1, 60))*time.Second, time.Duration(size(2, 100))*time.Second
		}
		pods.project(t, ca)
		load.passed(t, 50)
	}
	for range authorities {
		next := newAuthority(t)
		s.trust(t, ca, next)
		pods.project(t, next)
		for _, r := range s.replicas {
			r.shows(t, next)
		}
		s.trust(t, next)
		ca = next
		load.passed(t, 50)
	}
	load.clean(t, "certificate rotation", fmt.Sprintf("%d leaves, %d CAs with both in the bundle meanwhile", leaves, authorities),
		fmt.Sprintf("of the CAs and of %d leaves the files follow %s to %s later, one replica after the other", lagging, pods.soonest, pods.last))
}

func TestAllReplicasDownAndBack(t *testing.T) {
	c := start(t)
	s := c.serve(t, 2, replicaOptions{})
	c.kubectl(t, "", "create", "namespace", "podcullis")
	t.Cleanup(func() { c.kubectlAnyway("delete", "namespace", "podcullis", "--wait=false") })
	rounds := size(1, 5)
	var asked, admitted int64
	for round := range rounds {
		for _, r := range s.replicas {
			s.remove(r.address)
			r.Kill()
		}
		s.cut()
		s.replicas = nil
		for range 10 {
			asked++
			if a, err := c.judge(t.Context(), forbidden); a != lost {
				admitted++
				t.Errorf("without a replica: %v, %v", a, err)
			}
		}
		// Our own namespace and the system's live, so that we can come back.
		name := fmt.Sprintf("podcullis-%d", round)
		c.kubectl(t, "", "-n", "podcullis", "create", "deployment", name, "--image=example.test/podcullis", "--replicas=2")
		await(t, "the Deployment's pods, without a webhook", func(ctx context.Context) error {
			out, _, err := c.Kubectl(ctx, "", "-n", "podcullis", "get", "pods", "-l", "app="+name, "-o", "name")
			if n := len(strings.Fields(out)); err == nil && n < 2 {
				err = fmt.Errorf("%d of 2", n)
			}
			return err
		})
		system := fmt.Sprintf("dns-%d", round)
		c.kubectl(t, "", "-n", "kube-system", "run", system, "--image=example.test/dns")
		c.kubectl(t, "", "-n", "kube-system", "delete", "pod", system, "--force", "--grace-period=0")
		s.surge(t)
		s.surge(t)
		await(t, "right answers again", func(ctx context.Context) error {
			for _, netpol := range both {
				if a, err := c.judge(ctx, netpol); a != right {
					return fmt.Errorf("%s: %w", netpol.Name, err)
				}
			}
			return nil
		})
	}
	record(t, row{day: "all replicas down", injected: fmt.Sprintf("%d times all of 2", rounds), asked: asked, wrong: admitted, remark: "nothing judged got in meanwhile; podcullis and kube-system started pods; all came back"})
}
