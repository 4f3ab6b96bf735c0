package chart

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/test/controlplane"
)

const ranked = "apiPriorityAndFairness: {enabled: true}"

func TestFlowSchemaIsThatOfThePods(t *testing.T) {
	if n := len(all[*flowcontrolv1.FlowSchema](install(t))); n != 0 {
		t.Errorf("%d FlowSchemas that nobody asked for", n)
	}
	r := install(t, ranked, "serviceAccount: {name: judge}")
	want := []flowcontrolv1.Subject{{Kind: flowcontrolv1.SubjectKindServiceAccount, ServiceAccount: &flowcontrolv1.ServiceAccountSubject{
		Namespace: namespace, Name: one[*appsv1.Deployment](t, r).Spec.Template.Spec.ServiceAccountName,
	}}}
	rules := one[*flowcontrolv1.FlowSchema](t, r).Spec.Rules
	if len(rules) != 1 {
		t.Fatalf("%d rules, want 1", len(rules))
	}
	if diff := cmp.Diff(want, rules[0].Subjects); diff != "" {
		t.Errorf("subjects (-want +got):\n%s", diff)
	}
}

// ranksItsReads asks the API server at which level it put a request of the pods'
// account. What that account writes, and whoever else there is, stays where it was.
func ranksItsReads(t *testing.T, plane *controlplane.ControlPlane) {
	admin, err := kubernetes.NewForConfig(plane.REST())
	if err != nil {
		t.Fatal(err)
	}
	levels := map[string]string{}
	list, err := admin.FlowcontrolV1().PriorityLevelConfigurations().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, level := range list.Items {
		levels[string(level.UID)] = level.Name
	}
	level := func(ctx context.Context, method, account, path string) (string, error) {
		config, err := plane.UserREST("system:serviceaccount:"+namespace+":"+account, "system:serviceaccounts", "system:authenticated")
		if err != nil {
			return "", err
		}
		c, err := rest.HTTPClientFor(config)
		if err != nil {
			return "", err
		}
		request, err := http.NewRequestWithContext(ctx, method, plane.URL+path, nil)
		if err != nil {
			return "", err
		}
		response, err := c.Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		return levels[response.Header.Get(flowcontrolv1.ResponseHeaderMatchedPriorityLevelConfigurationUID)], nil
	}
	await := func(method, account, path, want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := controlplane.Await(ctx, method+" "+path+" of "+account+" to be "+want, func(ctx context.Context) error {
			got, err := level(ctx, method, account, path)
			if err == nil && got != want {
				err = fmt.Errorf("it is %q", got)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}

	const account = "guard-podcullis"
	await(http.MethodGet, account, "/api/v1/pods", "workload-low")
	for _, o := range install(t, ranked).objects {
		if o.kind == "FlowSchema" {
			kubectl(t, plane, string(o.text), "create", "-f", "-")
			defer kubectl(t, plane, "", "delete", "flowschema", o.GetName())
		}
	}
	for _, path := range []string{
		"/api/v1/pods", "/api/v1/pods?watch=true&timeoutSeconds=1", "/api/v1/namespaces/" + namespace, "/apis/networking.k8s.io/v1/networkpolicies",
		"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/podcullis",
	} {
		await(http.MethodGet, account, path, "workload-high")
	}
	await(http.MethodPost, account, "/api/v1/namespaces/"+namespace+"/pods", "workload-low")
	await(http.MethodGet, "somebody-else", "/api/v1/pods", "workload-low")
}
