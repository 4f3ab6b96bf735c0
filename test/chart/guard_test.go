package chart

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/test/controlplane"
)

const (
	guardedName = "guard-podcullis-" + namespace
	breakGlass  = "podcullis:break-glass"
)

// guarded is a release whose webhook configuration is guarded, and the people around it.
// All of them have every right that RBAC knows.
type guarded struct {
	*controlplane.ControlPlane
	admin, breaker, injector, own *kubernetes.Clientset
	breakerKubeconfig             string
}

// The guard in the files of an API server, and as objects.
func TestAdmissionGuard(t *testing.T) {
	t.Run("Static", func(t *testing.T) {
		args, file := staticGuard(t)
		plane := controlplane.Start(t, controlplane.Options{APIServerArgs: args})
		g := guardedRelease(t, plane, "--set", "certificates.mode=cert-manager")
		g.tryAll(t, g.injector)
		t.Run("IsNotInTheAPI", g.isNotInTheAPI)
		t.Run("IsThereAfterARestart", g.isThereAfterARestart)
		t.Run("FollowsItsFile", func(t *testing.T) { g.followsItsFile(t, file) })
		t.Run("LetsBreakGlassUninstall", g.letsBreakGlassUninstall)
	})
	t.Run("Installed", func(t *testing.T) {
		plane := controlplane.Start(t, controlplane.Options{})
		g := guardedRelease(t, plane, "--set", "certificates.mode=self-managed,admissionGuard.form=installed")
		g.tryAll(t, g.own)
		t.Run("LetsBreakGlassUninstall", g.letsBreakGlassUninstall)
	})
}

// guardedRelease installs the chart as the administrator, who may: there is nothing to
// change yet.
func guardedRelease(t *testing.T, plane *controlplane.ControlPlane, args ...string) *guarded {
	t.Helper()
	kubectl(t, plane, standIns, "apply", "-f", "-")
	kubectl(t, plane, "", "wait", "--for=condition=Established", "crd", "--all")
	dir, err := filepath.Abs(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := plane.Helm(t.Context(), append([]string{"install", "guard", dir, "-n", namespace, "--create-namespace"}, args...)...); err != nil {
		t.Fatal(err)
	}
	g := &guarded{ControlPlane: plane}
	person := func(name string, groups ...string) *kubernetes.Clientset {
		config, err := plane.UserREST(name, groups...)
		if err != nil {
			t.Fatal(err)
		}
		c, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	g.admin = person("root", "system:masters")
	g.breaker = person("alice", breakGlass)
	g.injector = person("system:serviceaccount:cert-manager:cert-manager-cainjector", "system:serviceaccounts")
	g.own = person("system:serviceaccount:"+namespace+":guard-podcullis", "system:serviceaccounts")
	if g.breakerKubeconfig, err = plane.UserKubeconfig("alice", breakGlass); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "everything"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{
			{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: breakGlass},
			{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:serviceaccounts"},
		},
	}
	if _, err := g.admin.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	g.inForce(t)
	return g
}

// inForce waits until the guard refuses something.
func (g *guarded) inForce(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := controlplane.Await(ctx, "the guard", func(ctx context.Context) error {
		for what, err := range map[string]error{
			"webhooks":     g.admin.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(ctx, guardedName, dryDelete),
			"installation": g.admin.CoreV1().Namespaces().Delete(ctx, namespace, dryDelete),
		} {
			if !refused(err) {
				return fmt.Errorf("%s: %w", what, errors.Join(err, errors.New("not refused")))
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

var (
	dryUpdate = metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}}
	dryDelete = metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}
)

// refused tells a refusal of the guard from any other.
func refused(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "docs/admission-guard.md")
}

// wants fails the test when the guard has said something else.
func wants(t *testing.T, who string, refusal bool, err error) {
	t.Helper()
	if refusal != refused(err) || (!refusal && err != nil) {
		t.Errorf("%s: got %v; want a refusal: %t", who, err, refusal)
	}
}

func (g *guarded) configuration(t *testing.T) *admissionregistrationv1.ValidatingWebhookConfiguration {
	t.Helper()
	c, err := g.admin.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), guardedName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tryAll lets everybody try everything. injector is who may inject the CA.
func (g *guarded) tryAll(t *testing.T, injector *kubernetes.Clientset) {
	t.Run("RefusesEachChange", func(t *testing.T) { g.refusesEachChange(t, injector) })
	t.Run("RefusesInEachWay", g.refusesInEachWay)
	t.Run("LetsTheCABeInjected", func(t *testing.T) { g.letsTheCABeInjected(t, injector) })
	t.Run("RefusesToStopIt", g.refusesToStopIt)
	t.Run("LeavesOthersAlone", g.leavesOthersAlone)
	t.Run("LetsBreakGlassUpgrade", g.letsBreakGlassUpgrade)
	t.Run("DoesNotSeeWhoIsBehind", g.doesNotSeeWhoIsBehind)
}

func (g *guarded) refusesEachChange(t *testing.T, injector *kubernetes.Clientset) {
	other, err := os.ReadFile(g.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	all := narrowings(other)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			try := func(c *kubernetes.Clientset) error {
				changed := g.configuration(t)
				all[name](changed)
				_, err := c.AdmissionregistrationV1().ValidatingWebhookConfigurations().Update(t.Context(), changed, dryUpdate)
				return err
			}
			wants(t, "the administrator", true, try(g.admin))
			wants(t, "break-glass", false, try(g.breaker))
			wants(t, "the injector", name != "clientConfig.caBundle", try(injector))
		})
	}
	for _, who := range []*kubernetes.Clientset{g.injector, g.own} {
		if who != injector {
			changed := g.configuration(t)
			all["clientConfig.caBundle"](changed)
			_, err := who.AdmissionregistrationV1().ValidatingWebhookConfigurations().Update(t.Context(), changed, dryUpdate)
			wants(t, "an injector of another mode", true, err)
		}
	}
	_, err = g.admin.AdmissionregistrationV1().ValidatingWebhookConfigurations().Update(t.Context(), g.configuration(t), dryUpdate)
	wants(t, "a change of nothing", false, err)
}

func (g *guarded) refusesInEachWay(t *testing.T) {
	const apply = `{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "` + guardedName + `"},
		"webhooks": [{"name": "netpols.podcullis.io", "failurePolicy": "Ignore", "timeoutSeconds": 1, "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {}}]}`
	patch := func(kind types.PatchType, body string) func(context.Context, *kubernetes.Clientset) error {
		return func(ctx context.Context, c *kubernetes.Clientset) error {
			o := metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}}
			if kind == types.ApplyPatchType {
				o.FieldManager, o.Force = "somebody", new(true)
			}
			_, err := c.AdmissionregistrationV1().ValidatingWebhookConfigurations().Patch(ctx, guardedName, kind, []byte(body), o)
			return err
		}
	}
	for name, try := range map[string]func(context.Context, *kubernetes.Clientset) error{
		"JSONPatch":      patch(types.JSONPatchType, `[{"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 1}]`),
		"MergePatch":     patch(types.MergePatchType, `{"webhooks": []}`),
		"StrategicMerge": patch(types.StrategicMergePatchType, `{"webhooks": [{"name": "netpols.podcullis.io", "timeoutSeconds": 1}]}`),
		"Apply":          patch(types.ApplyPatchType, apply),
		"Delete": func(ctx context.Context, c *kubernetes.Clientset) error {
			return c.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(ctx, guardedName, dryDelete)
		},
		"DeleteCollection": func(ctx context.Context, c *kubernetes.Clientset) error {
			return c.AdmissionregistrationV1().ValidatingWebhookConfigurations().DeleteCollection(ctx, dryDelete, metav1.ListOptions{LabelSelector: "app.kubernetes.io/part-of=podcullis"})
		},
	} {
		wants(t, name+" by the administrator", true, try(t.Context(), g.admin))
		wants(t, name+" by break-glass", false, try(t.Context(), g.breaker))
		if strings.HasPrefix(name, "Delete") {
			for _, who := range []*kubernetes.Clientset{g.injector, g.own} {
				wants(t, name+" by an injector", true, try(t.Context(), who))
			}
		}
	}
}

func (g *guarded) letsTheCABeInjected(t *testing.T, injector *kubernetes.Clientset) {
	ca, err := os.ReadFile(g.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	api := injector.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	for _, bundle := range [][]byte{ca, append(slices.Clone(ca), ca...)} { // the first one, and a rotation
		c := g.configuration(t)
		for i := range c.Webhooks {
			c.Webhooks[i].ClientConfig.CABundle = bundle
		}
		if _, err := api.Update(t.Context(), c, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	c := g.configuration(t)
	c.Webhooks[0].ClientConfig.CABundle = nil
	_, err = api.Update(t.Context(), c, dryUpdate)
	wants(t, "an injector that takes the CA away", true, err)
	c = g.configuration(t)
	c.Webhooks[0].ClientConfig.CABundle = ca
	c.Webhooks[1].TimeoutSeconds = new(int32(1))
	_, err = api.Update(t.Context(), c, dryUpdate)
	wants(t, "an injector that changes the timeout, too", true, err)
	c = g.configuration(t)
	c.Webhooks[0].ClientConfig.CABundle, c.Webhooks[0].ClientConfig.Service = ca, nil
	c.Webhooks[0].ClientConfig.URL = new("https://example.com/")
	_, err = api.Update(t.Context(), c, dryUpdate)
	wants(t, "an injector that leads it elsewhere, too", true, err)
}

// refusesToStopIt: the namespace, the pods and the Service.
func (g *guarded) refusesToStopIt(t *testing.T) {
	const name = "guard-podcullis"
	scale := func(ctx context.Context, c *kubernetes.Clientset, replicas int32) error {
		s := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
		_, err := c.AppsV1().Deployments(namespace).UpdateScale(ctx, name, s, dryUpdate)
		return err
	}
	dryPatch := metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}}
	for what, try := range map[string]func(context.Context, *kubernetes.Clientset) error{
		"delete the namespace": func(ctx context.Context, c *kubernetes.Clientset) error {
			return c.CoreV1().Namespaces().Delete(ctx, namespace, dryDelete)
		},
		"delete the Deployment": func(ctx context.Context, c *kubernetes.Clientset) error {
			return c.AppsV1().Deployments(namespace).Delete(ctx, name, dryDelete)
		},
		"delete all Deployments": func(ctx context.Context, c *kubernetes.Clientset) error {
			return c.AppsV1().Deployments(namespace).DeleteCollection(ctx, dryDelete, metav1.ListOptions{})
		},
		"scale to nothing": func(ctx context.Context, c *kubernetes.Clientset) error { return scale(ctx, c, 0) },
		"no replicas": func(ctx context.Context, c *kubernetes.Clientset) error {
			_, err := c.AppsV1().Deployments(namespace).Patch(ctx, name, types.MergePatchType, []byte(`{"spec": {"replicas": 0}}`), dryPatch)
			return err
		},
		"delete the Service": func(ctx context.Context, c *kubernetes.Clientset) error {
			return c.CoreV1().Services(namespace).Delete(ctx, name, dryDelete)
		},
		"delete all Services": func(ctx context.Context, c *kubernetes.Clientset) error {
			return c.CoreV1().RESTClient().Delete().Namespace(namespace).Resource("services").Param("dryRun", metav1.DryRunAll).Do(ctx).Error()
		},
		"select other pods": func(ctx context.Context, c *kubernetes.Clientset) error {
			_, err := c.CoreV1().Services(namespace).Patch(ctx, name, types.MergePatchType, []byte(`{"spec": {"selector": {"app": "other"}}}`), dryPatch)
			return err
		},
	} {
		wants(t, what+" by the administrator", true, try(t.Context(), g.admin))
		wants(t, what+" by break-glass", false, try(t.Context(), g.breaker))
	}
	wants(t, "scale up", false, scale(t.Context(), g.admin, 5))
	_, err := g.admin.AppsV1().Deployments(namespace).Patch(t.Context(), name, types.MergePatchType, []byte(`{"metadata": {"annotations": {"a": "b"}}}`), dryPatch)
	wants(t, "annotate the Deployment", false, err)
}

// leavesOthersAlone: other configurations, and what has the same name elsewhere.
func (g *guarded) leavesOthersAlone(t *testing.T) {
	api := g.admin.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	other := g.configuration(t)
	other.ObjectMeta = metav1.ObjectMeta{Name: "other"}
	created, err := api.Create(t.Context(), other, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	created.Webhooks = created.Webhooks[:1]
	_, err = api.Update(t.Context(), created, metav1.UpdateOptions{})
	wants(t, "change another configuration", false, err)
	wants(t, "delete another configuration", false, api.Delete(t.Context(), "other", metav1.DeleteOptions{}))
	kubectl(t, g.ControlPlane, "", "create", "namespace", "elsewhere")
	kubectl(t, g.ControlPlane, "", "-n", "elsewhere", "create", "deployment", "guard-podcullis", "--image=example.test/web")
	kubectl(t, g.ControlPlane, "", "-n", "elsewhere", "scale", "deployment", "guard-podcullis", "--replicas=0")
	kubectl(t, g.ControlPlane, "", "delete", "namespace", "elsewhere", "--wait=false")
}

// upgrade is of the release, by the administrator or as the flags say.
func (g *guarded) upgrade(t *testing.T, args ...string) error {
	t.Helper()
	dir, err := filepath.Abs(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = g.Helm(t.Context(), append([]string{"upgrade", "guard", dir, "-n", namespace, "--reuse-values", "--set", "webhook.netpols.failurePolicy=Fail"}, args...)...)
	return err
}

func (g *guarded) letsBreakGlassUpgrade(t *testing.T) {
	if err := g.upgrade(t); err == nil || !strings.Contains(err.Error(), "docs/admission-guard.md") {
		t.Errorf("an upgrade by the administrator: got %v, want a refusal", err)
	}
	if err := g.upgrade(t, "--kubeconfig", g.breakerKubeconfig); err != nil {
		t.Fatal(err)
	}
	c := g.configuration(t)
	if got := *c.Webhooks[0].FailurePolicy; got != admissionregistrationv1.Fail {
		t.Errorf("failurePolicy %s after the upgrade", got)
	}
	if len(c.Webhooks[0].ClientConfig.CABundle) == 0 {
		t.Error("the upgrade has taken the CA away")
	}
}

// doesNotSeeWhoIsBehind: what the documentation admits.
func (g *guarded) doesNotSeeWhoIsBehind(t *testing.T) {
	_, _, err := g.Kubectl(t.Context(), "", "delete", "validatingwebhookconfiguration", guardedName, "--dry-run=server",
		"--as=alice", "--as-group="+breakGlass, "--as-group=system:authenticated")
	if err != nil {
		t.Errorf("the documentation says that an administrator can take on the group: %v", err)
	}
}

// letsBreakGlassUninstall follows the documentation, and then takes the namespace away.
func (g *guarded) letsBreakGlassUninstall(t *testing.T) {
	kubectl(t, g.ControlPlane, "", "--kubeconfig", g.breakerKubeconfig, "delete", "validatingwebhookconfiguration", guardedName)
	if _, _, err := g.Helm(t.Context(), "uninstall", "guard", "-n", namespace, "--no-hooks", "--kubeconfig", g.breakerKubeconfig); err != nil {
		t.Fatal(err)
	}
	// What is there by then is Kubernetes' own to delete.
	kubectl(t, g.ControlPlane, "", "-n", namespace, "create", "deployment", "guard-podcullis", "--image=example.test/web")
	kubectl(t, g.ControlPlane, "", "-n", namespace, "create", "service", "clusterip", "guard-podcullis", "--tcp=443")
	kubectl(t, g.ControlPlane, "", "--kubeconfig", g.breakerKubeconfig, "delete", "namespace", namespace, "--timeout=60s")
}
