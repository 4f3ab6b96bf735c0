package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podcullis/podcullis/test/server"
)

// holder is a second webhook, asked after ours, that lets pods wait until it is told.
type holder struct {
	asked chan struct{}
	let   chan struct{}
}

// holdPods registers one for the pods of a namespace.
func (c cluster) holdPods(t *testing.T, namespace string) *holder {
	t.Helper()
	h := &holder{asked: make(chan struct{}, 100), let: make(chan struct{})}
	certs, address := t.TempDir(), freeAddress(t)
	ca := writeCertificate(t, certs)
	server := &http.Server{Addr: address, Handler: h, ReadHeaderTimeout: time.Minute}
	go func() {
		_ = server.ListenAndServeTLS(filepath.Join(certs, "tls.crt"), filepath.Join(certs, "tls.key"))
	}()
	t.Cleanup(func() { server.Close() })
	api := c.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	// All webhooks are asked at once, and the answer is theirs together.
	_, err := api.Create(t.Context(), &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "images"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "images.example.test", SideEffects: ptr(admissionregistrationv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
			ClientConfig:   admissionregistrationv1.WebhookClientConfig{URL: ptr("https://" + address + "/"), CABundle: ca},
			TimeoutSeconds: ptr(int32(30)), FailurePolicy: ptr(admissionregistrationv1.Fail),
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{"CREATE"},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.Delete(context.Background(), "images", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	await(t, "the other webhook to be asked", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, _ = c.client.CoreV1().Pods(namespace).Create(ctx, racePod(namespace, "asked", nil), metav1.CreateOptions{DryRun: []string{"All"}})
		select {
		case <-h.asked:
			return nil
		default:
			return errors.New("it was not")
		}
	})
	return h
}

func (h *holder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.asked <- struct{}{}
	select {
	case <-h.let:
	case <-r.Context().Done():
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	_ = json.NewEncoder(w).Encode(review)
}

// heldPod creates the front end, which stays in flight until the holder lets it go.
func (r *race) heldPod(h *holder, g *gate, name string) chan error {
	r.t.Helper()
	before := g.answered(r.t)
	done := make(chan error, 1)
	go func() {
		_, err := r.client.CoreV1().Pods("race-web").Create(r.t.Context(), racePod("race-web", name, map[string]string{"tier": "frontend", "access": "db"}), metav1.CreateOptions{})
		done <- err
	}()
	<-h.asked
	await(r.t, "the pod to be in flight", func(context.Context) error {
		if g.answered(r.t) <= before || g.entries(r.t) == 0 {
			return errors.New("it is not")
		}
		return nil
	})
	return done
}

// entries is how many changes the gate knows to be in flight.
func (g *gate) entries(t *testing.T) int { return g.metric(t, "podcullis_ledger_entries ") }

// answered is how many creations of pods the gate has judged and answered.
func (g *gate) answered(t *testing.T) int {
	return g.metric(t, `podcullis_admission_requests_total{decision="allow",dry_run="false",operation="CREATE",resource="pods"} `)
}

func (g *gate) metric(t *testing.T, series string) int {
	t.Helper()
	text, err := server.Get(t.Context(), "http://"+g.metrics+"/metrics")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(text) {
		if n, ok := strings.CutPrefix(line, series); ok {
			var value int
			_, _ = fmt.Sscan(n, &value)
			return value
		}
	}
	return 0
}

// bothIn reports whether the path is open.
func (r *race) bothIn(name string) bool {
	r.t.Helper()
	_, podErr := r.client.CoreV1().Pods("race-web").Get(r.t.Context(), name, metav1.GetOptions{})
	_, netpolErr := r.client.NetworkingV1().NetworkPolicies("race-shop").Get(r.t.Context(), "allow", metav1.GetOptions{})
	return podErr == nil && netpolErr == nil
}

// once is a try without the client's patience: it says what the gate answers now.
func (r *race) once(name, spec string) error {
	n := decodeNetpol(r.t, "metadata: {name: "+name+", namespace: race-shop}\nspec: "+spec)
	return r.client.NetworkingV1().RESTClient().Post().Namespace("race-shop").Resource("networkpolicies").Body(n).MaxRetries(0).Do(r.t.Context()).Error()
}

// A change that stays in flight for long, because something after us takes its time, is
// neither hidden by others nor forgotten by a process that is killed.
func TestAChangeThatIsHeldUpIsNotForgotten(t *testing.T) {
	c := start(t)
	r := c.race(t)
	g := c.behindOneAddress(t, raceGate(t), 1)[0]
	h := c.holdPods(t, "race-web")
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "none"}, Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{"count/networkpolicies.networking.k8s.io": resource.MustParse("0")},
	}}
	meanwhile := map[string]func(t *testing.T, pod string){
		"ACreateOfTheSameName": func(t *testing.T, pod string) {
			go func() {
				_, _ = c.client.CoreV1().Pods("race-web").Create(t.Context(), racePod("race-web", pod, nil), metav1.CreateOptions{})
			}()
			<-h.asked
		},
		"ANetpolThatQuotaRefuses": func(t *testing.T, _ string) {
			quotas := c.client.CoreV1().ResourceQuotas("race-web")
			if _, err := quotas.Create(t.Context(), quota, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = quotas.Delete(context.Background(), "none", metav1.DeleteOptions{}) })
			await(t, "the quota to refuse", func(ctx context.Context) error {
				err := r.netpol(ctx, "race-web", "mask", noEgress)
				if err == nil {
					r.gone("race-web", "mask")
				}
				if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "quota") {
					return fmt.Errorf("got %w", err)
				}
				return nil
			})
		},
		"AKill": func(t *testing.T, _ string) {
			g.process.Kill()
			g.start(t)
		},
	}
	for name, happens := range meanwhile {
		t.Run(name, func(t *testing.T) {
			r.t = t
			done := r.heldPod(h, g, strings.ToLower(name))
			happens(t, strings.ToLower(name))
			err := r.once("allow", allowLabel)
			if err == nil {
				t.Error("the other half is in, too")
			} else if !strings.Contains(err.Error(), "the answer depends on Pod race-web/") {
				t.Errorf("refused for another reason: %v", err)
			}
			for drained := false; !drained; { // whoever waits
				select {
				case h.let <- struct{}{}:
				case <-time.After(200 * time.Millisecond):
					drained = true
				}
			}
			if err := <-done; err != nil && !apierrors.IsAlreadyExists(err) { // the other one of that name came first
				t.Errorf("the pod: %v", err)
			}
			if r.bothIn(strings.ToLower(name)) {
				t.Error("the path is open")
			}
			r.gone("race-shop", "allow")
			now := int64(0)
			_ = c.client.CoreV1().Pods("race-web").Delete(t.Context(), strings.ToLower(name), metav1.DeleteOptions{GracePeriodSeconds: &now})
		})
	}
}

// What a ledger held that is gone may yet happen.
func TestALedgerThatIsLostIsABarrier(t *testing.T) {
	c := start(t)
	t.Cleanup(func() { // when the gate is gone: the next test begins without this barrier
		_ = c.client.CoordinationV1().Leases("default").Delete(context.Background(), ledgerOf(t), metav1.DeleteOptions{})
	})
	r := c.race(t)
	g := c.behindOneAddress(t, raceGate(t), 1)[0]
	harmless := `{podSelector: {matchLabels: {app: nobody}}}`
	r.must(nil, r.netpol(t.Context(), "race-shop", "harmless", harmless)) // now there is one
	if err := c.client.CoordinationV1().Leases("default").Delete(t.Context(), ledgerOf(t), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	const hint = "was lost"
	await(t, "the loss to be noticed", func(context.Context) error {
		if err := r.once("more", harmless); err == nil || !strings.Contains(err.Error(), hint) {
			r.gone("race-shop", "more")
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	forbidden := `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{}]}`
	if err := r.once("forbidden", forbidden); err == nil || !strings.Contains(err.Error(), "[no-path]") {
		t.Errorf("what is forbidden is forbidden: got %v", err)
	}
	if err := r.label(t.Context(), "front", `{"tier":"frontend"}`); err != nil {
		t.Errorf("what changes nothing passes: %v", err)
	}
	if g.entries(t) == 0 {
		t.Error("nothing stands for what was lost")
	}
}
