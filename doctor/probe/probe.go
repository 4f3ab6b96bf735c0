package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/doctor/probe/packets"
)

const (
	// DefaultPatience is for how long packets have to arrive before "ignored" is said: plugins
	// take seconds to follow a NetworkPolicy.
	DefaultPatience = 20 * time.Second
	// DefaultTimeout is for all of it, the pulling of an image with it.
	DefaultTimeout = 2 * time.Minute
	// cleanupTimeout is for taking everything away, whatever ended the probe.
	cleanupTimeout = 30 * time.Second
	// look is how often a pod is looked at.
	look = 250 * time.Millisecond
)

// Options say where a probe runs, and with what.
type Options struct {
	Client kubernetes.Interface
	// Namespace is one that is there.
	Namespace string
	// Image is that of podcullis-webhook.
	Image string
	// Patience and Timeout are the defaults if 0.
	Patience, Timeout time.Duration
	// Say, if set, is told what is being done.
	Say func(string)
}

// Result is what the packets say.
type Result struct {
	packets.Outcome
	Namespace string
	// Nodes are those of the server and of the client.
	Nodes [2]string
}

// run is one probe.
type run struct {
	Options
	name  string
	owner *metav1.OwnerReference
	nodes [2]string
	made  bool // something may be there
}

// Run probes once. Everything is gone when it returns; where that could not be done, the error
// says what is left. An error is no answer about the network.
func Run(ctx context.Context, o Options) (result Result, err error) {
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	r := &run{Options: o, name: "podcullis-probe-" + rand.String(6)}
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		o.Say("cleaning up")
		if left := r.clean(clean); left != nil {
			err = errors.Join(err, fmt.Errorf("clean up: %w; `kubectl delete job,pod,networkpolicy -n %s -l %s=%s` takes it away", left, o.Namespace, Label, r.name))
		}
	}()
	limited, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	outcome, err := r.probe(limited)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		err = fmt.Errorf("not done after %s: %w", o.Timeout, err)
	}
	return Result{outcome, o.Namespace, r.nodes}, err
}

func (r *run) probe(ctx context.Context) (packets.Outcome, error) {
	none := packets.Outcome{}
	r.sweep(ctx)
	r.Say("starting a pod that listens in namespace " + r.Namespace)
	// NetworkPolicies first: a guardrail may want every pod isolated.
	for _, role := range []string{server, client} {
		_, err := r.netpols().Create(ctx, r.netpol(role, all()...), metav1.CreateOptions{})
		r.made = r.made || !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err)
		if err != nil {
			return none, fmt.Errorf("create NetworkPolicy %s/%s-%s: %w", r.Namespace, r.name, role, err)
		}
	}
	job, err := r.Client.BatchV1().Jobs(r.Namespace).Create(ctx, r.job(), metav1.CreateOptions{})
	if err != nil {
		return none, fmt.Errorf("create Job %s/%s: %w", r.Namespace, r.name, err)
	}
	r.owner = &metav1.OwnerReference{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job", Name: job.Name, UID: job.UID}
	for _, role := range []string{server, client} {
		if err := r.update(ctx, role, all()...); err != nil {
			return none, err
		}
	}
	listening, err := r.await(ctx, server, ready)
	if err != nil {
		return none, err
	}
	r.nodes[0] = listening.Spec.NodeName
	r.Say("starting a pod that connects to it")
	if _, err := r.Client.CoreV1().Pods(r.Namespace).Create(ctx, r.pod(listening.Status.PodIP), metav1.CreateOptions{}); err != nil {
		return none, fmt.Errorf("create Pod %s/%s-%s: %w", r.Namespace, r.name, client, err)
	}
	trying, err := r.await(ctx, client, func(p *corev1.Pod) bool { return ready(p) || over(p) })
	if err != nil {
		return none, err
	}
	r.nodes[1] = trying.Spec.NodeName
	if !over(trying) {
		r.Say("taking a port out of the NetworkPolicy on either side, and looking which still answer")
		if err := errors.Join(r.update(ctx, server, packets.EgressPort, packets.OpenPort), r.update(ctx, client, packets.IngressPort, packets.OpenPort)); err != nil {
			return none, err
		}
		if trying, err = r.await(ctx, client, over); err != nil {
			return none, err
		}
	}
	return report(trying)
}

func all() []int { return []int{packets.IngressPort, packets.EgressPort, packets.OpenPort} }

func (r *run) netpols() netpolClient { return r.Client.NetworkingV1().NetworkPolicies(r.Namespace) }

// netpolClient is what is needed of client-go's.
type netpolClient interface {
	Create(context.Context, *networkingv1.NetworkPolicy, metav1.CreateOptions) (*networkingv1.NetworkPolicy, error)
	Update(context.Context, *networkingv1.NetworkPolicy, metav1.UpdateOptions) (*networkingv1.NetworkPolicy, error)
	Delete(context.Context, string, metav1.DeleteOptions) error
	List(context.Context, metav1.ListOptions) (*networkingv1.NetworkPolicyList, error)
}

func (r *run) update(ctx context.Context, role string, ports ...int) error {
	if _, err := r.netpols().Update(ctx, r.netpol(role, ports...), metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("update NetworkPolicy %s/%s-%s: %w", r.Namespace, r.name, role, err)
	}
	return nil
}

// await waits for the pod of a role. A pod that cannot start is an error at once.
func (r *run) await(ctx context.Context, role string, done func(*corev1.Pod) bool) (*corev1.Pod, error) {
	last := "no pod yet"
	for {
		pods, err := r.Client.CoreV1().Pods(r.Namespace).List(ctx, metav1.ListOptions{LabelSelector: Label + "=" + r.name + "," + roleLabel + "=" + role})
		if err != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("list the pods of the probe: %w", err)
		}
		if err == nil && len(pods.Items) > 0 {
			pod := &pods.Items[0]
			if done(pod) {
				return pod, nil
			}
			var stuck bool
			if last, stuck = standing(pod); stuck {
				return nil, fmt.Errorf("pod %s/%s of the probe cannot start: %s", pod.Namespace, pod.Name, last)
			}
		} else if err == nil {
			if why := r.refused(ctx); why != "" {
				return nil, errors.New(why)
			}
		}
		t := time.NewTimer(look)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil, fmt.Errorf("waiting for the %s of the probe: %w (%s)", role, context.Cause(ctx), last)
		case <-t.C:
		}
	}
}

// refused tells why a Job makes no pod.
func (r *run) refused(ctx context.Context) string {
	job, err := r.Client.BatchV1().Jobs(r.Namespace).Get(ctx, r.name, metav1.GetOptions{})
	if err != nil {
		return ""
	}
	for _, c := range job.Status.Conditions {
		if c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue {
			return fmt.Sprintf("Job %s/%s of the probe failed: %s: %s", r.Namespace, r.name, c.Reason, c.Message)
		}
	}
	return ""
}

func ready(p *corev1.Pod) bool {
	return p.Status.PodIP != "" && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func over(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// standing is how a pod stands, and whether it will not go on.
func standing(p *corev1.Pod) (text string, stuck bool) {
	if over(p) {
		return "it has ended: " + lastWords(p), true
	}
	for _, s := range p.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil {
			bad := slices.Contains([]string{"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}, w.Reason)
			return strings.TrimSpace(w.Reason + " " + w.Message), bad
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason + ": " + c.Message, false // a node may come
		}
	}
	return string(p.Status.Phase), false
}

func lastWords(p *corev1.Pod) string {
	for _, s := range p.Status.ContainerStatuses {
		if t := s.State.Terminated; t != nil {
			return strings.TrimSpace(fmt.Sprintf("exit code %d %s", t.ExitCode, t.Message))
		}
	}
	return strings.TrimSpace(p.Status.Reason + " " + p.Status.Message)
}

// report is what the client left as its last words.
func report(p *corev1.Pod) (packets.Outcome, error) {
	var out packets.Outcome
	for _, s := range p.Status.ContainerStatuses {
		if t := s.State.Terminated; t != nil && t.ExitCode == 0 {
			if err := json.Unmarshal([]byte(t.Message), &out); err != nil {
				return out, fmt.Errorf("pod %s/%s of the probe left %q, which is no report: %w", p.Namespace, p.Name, t.Message, err)
			}
			return out, nil
		}
	}
	return out, fmt.Errorf("pod %s/%s of the probe ended without a report: %s", p.Namespace, p.Name, lastWords(p))
}

// clean takes everything away, and waits until it is gone.
func (r *run) clean(ctx context.Context) error {
	if !r.made {
		return nil
	}
	for {
		refused := r.remove(ctx, Label+"="+r.name, func(metav1.ObjectMeta) bool { return true })
		left, err := r.left(ctx)
		if err == nil && len(left) == 0 {
			return nil
		}
		err = errors.Join(err, refused) // a webhook may want a NetworkPolicy to stay until it has seen the pods go
		t := time.NewTimer(look)
		select {
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("still there: %s %w", strings.Join(left, ", "), errors.Join(err, ctx.Err()))
		case <-t.C:
		}
	}
}

func (r *run) left(ctx context.Context) ([]string, error) {
	o := metav1.ListOptions{LabelSelector: Label + "=" + r.name}
	var out []string
	pods, err := r.Client.CoreV1().Pods(r.Namespace).List(ctx, o)
	if err != nil {
		return nil, err
	}
	for _, p := range pods.Items {
		out = append(out, "Pod "+p.Name)
	}
	jobs, err := r.Client.BatchV1().Jobs(r.Namespace).List(ctx, o)
	if err != nil {
		return nil, err
	}
	for _, j := range jobs.Items {
		out = append(out, "Job "+j.Name)
	}
	netpols, err := r.netpols().List(ctx, o)
	if err != nil {
		return nil, err
	}
	for _, n := range netpols.Items {
		out = append(out, "NetworkPolicy "+n.Name)
	}
	return out, nil
}

// sweep takes away what a probe left that was killed, if it is old enough to be nobody's.
func (r *run) sweep(ctx context.Context) {
	old := time.Now().Add(-10 * time.Minute)
	_ = r.remove(ctx, Label, func(m metav1.ObjectMeta) bool { return m.CreationTimestamp.Time.Before(old) }) // another probe's, and no reason to stop
}

// remove deletes by label: pods at once, and NetworkPolicies last.
func (r *run) remove(ctx context.Context, label string, which func(metav1.ObjectMeta) bool) error {
	list := metav1.ListOptions{LabelSelector: label}
	now := metav1.DeleteOptions{GracePeriodSeconds: new(int64(0)), PropagationPolicy: new(metav1.DeletePropagationBackground)}
	var errs []error
	gone := func(err error) {
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, err)
		}
	}
	jobs, err := r.Client.BatchV1().Jobs(r.Namespace).List(ctx, list)
	gone(err)
	if err == nil {
		for _, j := range jobs.Items {
			if which(j.ObjectMeta) {
				gone(r.Client.BatchV1().Jobs(r.Namespace).Delete(ctx, j.Name, now))
			}
		}
	}
	pods, err := r.Client.CoreV1().Pods(r.Namespace).List(ctx, list)
	gone(err)
	if err == nil {
		for _, p := range pods.Items {
			if which(p.ObjectMeta) {
				gone(r.Client.CoreV1().Pods(r.Namespace).Delete(ctx, p.Name, now))
			}
		}
	}
	netpols, err := r.netpols().List(ctx, list)
	gone(err)
	if err == nil {
		for _, n := range netpols.Items {
			if which(n.ObjectMeta) {
				gone(r.netpols().Delete(ctx, n.Name, metav1.DeleteOptions{}))
			}
		}
	}
	return errors.Join(errs...)
}
