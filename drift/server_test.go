package drift

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/test/controlplane"
)

// What the API server stores is not what it was given: it fills in defaults. Each
// mutation is made there, and read by somebody who may do nothing but that.
func TestAPIServer(t *testing.T) {
	plane := controlplane.Start(t, controlplane.Options{})
	admin, err := kubernetes.NewForConfig(plane.REST())
	if err != nil {
		t.Fatal(err)
	}
	configurations := admin.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	f := newIntended(t)
	w := watch(t, f)
	w.options.Reader = reader(t, plane, admin)
	looking := func() []string {
		t.Helper()
		_, found, err := w.look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return found
	}

	if diff := cmp.Diff(f.differences(nil), looking()); diff != "" {
		t.Errorf("before it is installed (-want +got):\n%s", diff)
	}
	if _, _, err := plane.Kubectl(t.Context(), installed, "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	live, err := configurations.Get(t.Context(), "podcullis", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range live.Webhooks {
		live.Webhooks[i].ClientConfig.CABundle = f.ca // as cert-manager would
	}
	if live, err = configurations.Update(t.Context(), live, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := looking(); got != nil {
		t.Errorf("as installed: %q", got)
	}
	all, version := mutations(t), live.ResourceVersion
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			changed := live.DeepCopy()
			changed.ResourceVersion = version
			all[name].change(changed)
			changed, err := configurations.Update(t.Context(), changed, metav1.UpdateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			version = changed.ResourceVersion
			if diff := cmp.Diff(all[name].want, looking()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if err := configurations.Delete(t.Context(), "podcullis", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f.differences(nil), looking()); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
}

// reader may get one configuration, by its name.
func reader(t *testing.T, plane *controlplane.ControlPlane, admin kubernetes.Interface) Reader {
	t.Helper()
	name := metav1.ObjectMeta{Name: "drift-reader"}
	if _, err := admin.RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: name, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"validatingwebhookconfigurations"},
		ResourceNames: []string{"podcullis"}, Verbs: []string{"get"},
	}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: name, Subjects: []rbacv1.Subject{{Kind: "User", Name: "reader", APIGroup: rbacv1.GroupName}},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	config, err := plane.UserREST("reader")
	if err != nil {
		t.Fatal(err)
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return c.AdmissionregistrationV1().ValidatingWebhookConfigurations()
}
