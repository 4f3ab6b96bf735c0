package selfguard

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

const settings = `
namespace: guard
service: podcullis
deployment: podcullis
servicePort: 443
portName: https
podPort: 9443
selector: {app: podcullis, component: webhook}
webhookConfiguration: podcullis
apiServer: {cidrs: CIDRS, ports: [443, 6443]}
`

type still struct{ snapshot *cluster.Snapshot }

func (s still) Snapshot() *cluster.Snapshot { return s.snapshot }

// admins may change the webhook configuration.
type admins struct{ err error }

func (a admins) MayConfigure(_ context.Context, user authenticationv1.UserInfo, configuration string) (bool, error) {
	return user.Username == "admin" && configuration == "podcullis", a.err
}

var kinds = map[string]metav1.GroupVersionKind{
	"NetworkPolicy": {Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	"Service":       {Version: "v1", Kind: "Service"},
	"EndpointSlice": {Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"},
	"Pod":           {Version: "v1", Kind: "Pod"},
	"ConfigMap":     {Version: "v1", Kind: "ConfigMap"},
	"Deployment":    {Group: "apps", Version: "v1", Kind: "Deployment"},
	"ReplicaSet":    {Group: "apps", Version: "v1", Kind: "ReplicaSet"},
	"CronJob":       {Group: "batch", Version: "v1", Kind: "CronJob"},
}

const (
	chartNetpol   = "{metadata: {name: podcullis, namespace: guard}, spec: {podSelector: {matchLabels: {app: podcullis}}, policyTypes: [Ingress, Egress], ingress: [{ports: [{port: 9443}]}, {ports: [{port: 8080}]}], egress: [{ports: [{port: 443}, {port: 6443}]}]}}"
	denyAll       = "{metadata: {name: deny, namespace: guard}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}"
	service       = "{metadata: {name: podcullis, namespace: guard}, spec: {type: ClusterIP, selector: {app: podcullis, component: webhook}, ports: [{name: https, port: 443, targetPort: https, protocol: TCP}, {name: metrics, port: 8080, targetPort: metrics}]}}"
	template      = "metadata: {labels: {app: podcullis, component: webhook}}, spec: {containers: [{name: c, ports: [{name: https, containerPort: 9443}]}]}"
	ourPod        = "{metadata: {name: podcullis-1-a, namespace: guard, labels: {app: podcullis, component: webhook, pod-template-hash: '1'}}, spec: {containers: [{name: c, ports: [{name: https, containerPort: 9443}]}]}}"
	replicaSet    = "system:serviceaccount:kube-system:replicaset-controller"
	ourDeployment = "{metadata: {name: podcullis, namespace: guard}, spec: {replicas: 2, selector: {matchLabels: {app: podcullis, component: webhook}}, template: {" + template + "}}}"
)

func with(text, old, by string) string {
	if !strings.Contains(text, old) {
		panic(old + " is not in " + text)
	}
	return strings.Replace(text, old, by, 1)
}

func meaning(text string) string {
	return with(text, "namespace: guard", "namespace: guard, annotations: {podcullis.io/cut-off: meant}")
}

func TestWhatWouldCutPodcullisOff(t *testing.T) {
	const in = "no address outside the cluster could reach "
	slice := "{metadata: {name: x, namespace: guard, labels: {kubernetes.io/service-name: podcullis}}, addressType: IPv4, endpoints: [{addresses: [10.1.0.1]}]}"
	tests := map[string]struct {
		netpols                    string // beside what is there: the deny and the chart's
		cidrs                      string
		user                       string
		operation, kind, old, next string
		want                       string // "" passes
	}{
		// What the netpols of the namespace do.
		"DefaultDenyBesideTheCharts":    {netpols: chartNetpol, operation: "CREATE", kind: "NetworkPolicy", next: denyAll},
		"DefaultDenyAlone":              {operation: "CREATE", kind: "NetworkPolicy", next: denyAll, want: in + "its pods on TCP 9443"},
		"OnlyEgressIsShut":              {operation: "CREATE", kind: "NetworkPolicy", next: with(denyAll, "Ingress, Egress", "Egress"), want: "no address outside the cluster could be reached from its pods on TCP 443, TCP 6443"},
		"OfTheNewPodsOnly":              {operation: "CREATE", kind: "NetworkPolicy", next: with(denyAll, "podSelector: {}", "podSelector: {matchLabels: {pod-template-hash: '1'}}"), want: in + "Pod guard/podcullis-1-a"},
		"OfOthers":                      {operation: "CREATE", kind: "NetworkPolicy", next: with(denyAll, "podSelector: {}", "podSelector: {matchLabels: {app: other}}")},
		"TheChartsIsDeleted":            {netpols: denyAll + ";" + chartNetpol, operation: "DELETE", kind: "NetworkPolicy", old: chartNetpol, want: in},
		"TheChartsIsDeletedAlone":       {netpols: chartNetpol, operation: "DELETE", kind: "NetworkPolicy", old: chartNetpol},
		"TheChartsLosesItsRule":         {netpols: chartNetpol, operation: "UPDATE", kind: "NetworkPolicy", old: chartNetpol, next: with(chartNetpol, "{ports: [{port: 9443}]}, ", ""), want: in},
		"TheChartsLosesTheAPIServer":    {netpols: chartNetpol, operation: "UPDATE", kind: "NetworkPolicy", old: chartNetpol, next: with(chartNetpol, "[{port: 443}, {port: 6443}]", "[{port: 53}]"), want: "could be reached from"},
		"OnePortOfTheAPIServerIsLeft":   {netpols: chartNetpol, operation: "UPDATE", kind: "NetworkPolicy", old: chartNetpol, next: with(chartNetpol, "{port: 443}, ", "")},
		"ItIsCutOffAlready":             {netpols: denyAll, operation: "CREATE", kind: "NetworkPolicy", next: with(denyAll, "name: deny", "name: more")},
		"NarrowedToSomebody":            {netpols: chartNetpol, operation: "UPDATE", kind: "NetworkPolicy", old: chartNetpol, next: with(chartNetpol, "{ports: [{port: 9443}]}", "{ports: [{port: 9443}], from: [{ipBlock: {cidr: 10.0.0.0/8}}]}")},
		"NarrowedToOthersThanTheServer": {cidrs: "[172.16.0.0/28]", netpols: chartNetpol, operation: "UPDATE", kind: "NetworkPolicy", old: chartNetpol, next: with(chartNetpol, "{ports: [{port: 9443}]}", "{ports: [{port: 9443}], from: [{ipBlock: {cidr: 10.0.0.0/8}}]}"), want: "the API server at 172.16.0.0/28 no longer could reach"},
		"ByWhoInstallsPodcullis":        {cidrs: "[172.16.0.0/28]", user: "admin", netpols: chartNetpol, operation: "UPDATE", kind: "NetworkPolicy", old: chartNetpol, next: with(chartNetpol, "{ports: [{port: 9443}]}", "{ports: [{port: 9443}], from: [{ipBlock: {cidr: 10.0.0.0/8}}]}")},
		"AllOfItByWhoInstallsPodcullis": {user: "admin", operation: "CREATE", kind: "NetworkPolicy", next: denyAll, want: in},
		"MeantByWhoInstallsPodcullis":   {user: "admin", operation: "CREATE", kind: "NetworkPolicy", next: meaning(denyAll)},
		"MeantBySomebody":               {operation: "CREATE", kind: "NetworkPolicy", next: meaning(denyAll), want: "user dev may not update validatingwebhookconfigurations/podcullis"},
		"TheEndOfTheNamespace":          {user: namespaceControllers[0], netpols: denyAll + ";" + chartNetpol, operation: "DELETE", kind: "NetworkPolicy", old: chartNetpol},
		"SelectedByALabel":              {netpols: with(denyAll, "podSelector: {}", "podSelector: {matchLabels: {shut: 'yes'}}"), operation: "UPDATE", kind: "Pod", old: ourPod, next: with(ourPod, "app: podcullis", "app: podcullis, shut: 'yes'"), want: in},
		"SelectedByALabelOfTheTemplate": {netpols: with(denyAll, "podSelector: {}", "podSelector: {matchLabels: {shut: 'yes'}}"), operation: "UPDATE", kind: "Deployment", old: ourDeployment, next: with(ourDeployment, "labels: {app: podcullis", "labels: {shut: 'yes', app: podcullis"), want: in + "its pods"},
		// What the Service does.
		"TheServiceIsDeleted":      {operation: "DELETE", kind: "Service", old: service, want: "there is no Service guard/podcullis, which the API server calls"},
		"AnotherServiceIsDeleted":  {operation: "DELETE", kind: "Service", old: with(service, "name: podcullis", "name: other")},
		"DeletedAndMeant":          {user: "admin", operation: "DELETE", kind: "Service", old: meaning(service)},
		"ItSelectsOthers":          {operation: "UPDATE", kind: "Service", old: service, next: with(service, "component: webhook", "component: other"), want: "selects app=podcullis,component=other, and the pods of the release have"},
		"ItSelectsNobody":          {operation: "UPDATE", kind: "Service", old: service, next: with(service, "selector: {app: podcullis, component: webhook}", "selector: {}"), want: "selects no pods"},
		"ItSelectsMore":            {operation: "UPDATE", kind: "Service", old: service, next: with(service, ", component: webhook}", "}")},
		"ItIsAName":                {operation: "UPDATE", kind: "Service", old: service, next: with(service, "type: ClusterIP", "type: ExternalName, externalName: example.com"), want: "of type ExternalName leads to no pods"},
		"ItLeadsElsewhere":         {operation: "UPDATE", kind: "Service", old: service, next: with(service, "targetPort: https", "targetPort: metrics"), want: "no port that leads to port https (9443)"},
		"ItLeadsThereByNumber":     {operation: "UPDATE", kind: "Service", old: service, next: with(service, "targetPort: https", "targetPort: 9443")},
		"AnotherPort":              {operation: "UPDATE", kind: "Service", old: service, next: with(service, "port: 443", "port: 8443"), want: "has no port 443, which the API server calls"},
		"AnotherPortByWhoInstalls": {user: "admin", operation: "UPDATE", kind: "Service", old: service, next: with(service, "port: 443", "port: 8443")},
		"OnlyItsAnnotations":       {operation: "UPDATE", kind: "Service", old: service, next: with(service, "namespace: guard", "namespace: guard, annotations: {a: b}")},
		"ASliceByHand":             {operation: "CREATE", kind: "EndpointSlice", next: with(slice, "10.1.0.1", "10.9.9.9"), want: "calls of Service guard/podcullis go to 10.9.9.9, which is not a pod of the release"},
		"ASliceByHandOfOurPod":     {operation: "CREATE", kind: "EndpointSlice", next: slice},
		"ASliceOfTheController":    {user: endpointMakers[0], operation: "UPDATE", kind: "EndpointSlice", old: slice, next: with(slice, "10.1.0.1", "10.9.9.9")},
		"ASliceOfAnotherService":   {operation: "CREATE", kind: "EndpointSlice", next: with(with(slice, "10.1.0.1", "10.9.9.9"), "name: podcullis", "name: other")},
		// Who is called.
		"APodLeavesTheService":       {operation: "UPDATE", kind: "Pod", old: ourPod, next: with(ourPod, "component: webhook", "component: debug"), want: "Service guard/podcullis does not find Pod podcullis-1-a any more"},
		"APodGetsALabel":             {operation: "UPDATE", kind: "Pod", old: ourPod, next: with(ourPod, "app: podcullis", "app: podcullis, more: 'yes'")},
		"APodGoes":                   {operation: "DELETE", kind: "Pod", old: ourPod},
		"APodInOurStead":             {operation: "CREATE", kind: "Pod", next: with(ourPod, "podcullis-1-a", "fake"), want: "finds pods that are not of the release"},
		"APodOfTheReplicaSet":        {user: replicaSet, operation: "CREATE", kind: "Pod", next: with(ourPod, "podcullis-1-a", "podcullis-1-b")},
		"APodThatJoins":              {operation: "UPDATE", kind: "Pod", old: with(ourPod, "component: webhook", "component: fake"), next: ourPod, want: "finds pods that are not of the release"},
		"ADeploymentInOurStead":      {operation: "CREATE", kind: "Deployment", next: with(ourDeployment, "name: podcullis", "name: fake"), want: "finds pods that are not of the release"},
		"AReplicaSetInOurStead":      {operation: "CREATE", kind: "ReplicaSet", next: with(ourDeployment, "name: podcullis", "name: fake"), want: "finds pods that are not of the release"},
		"AReplicaSetOfTheDeployment": {user: podMakers[1], operation: "CREATE", kind: "ReplicaSet", next: with(ourDeployment, "name: podcullis", "name: podcullis-2")},
		"ACronJobInOurStead":         {operation: "CREATE", kind: "CronJob", next: "{metadata: {name: x, namespace: guard}, spec: {jobTemplate: {spec: {template: {" + template + "}}}}}", want: "finds pods that are not of the release"},
		"TheReleaseIsInstalled":      {operation: "CREATE", kind: "Deployment", next: ourDeployment},
		"TheReleaseIsScaledToZero":   {operation: "UPDATE", kind: "Deployment", old: ourDeployment, next: with(ourDeployment, "replicas: 2", "replicas: 0")},
		"TheReleaseIsDeleted":        {operation: "DELETE", kind: "Deployment", old: ourDeployment},
		"TheReleaseLosesItsPort":     {operation: "UPDATE", kind: "Deployment", old: ourDeployment, next: with(ourDeployment, "name: https", "name: web"), want: "the pods of Deployment podcullis have no port https"},
		"TheReleaseLosesItsLabels":   {operation: "UPDATE", kind: "Deployment", old: ourDeployment, next: with(ourDeployment, "labels: {app: podcullis, component: webhook}", "labels: {app: podcullis}"), want: "does not find Deployment podcullis any more"},
		"AConfigMap":                 {operation: "DELETE", kind: "ConfigMap", old: "{metadata: {name: x, namespace: guard}}"},
		"WhatCannotBeRead":           {operation: "CREATE", kind: "Service", old: "{spec: 7}", want: "could not be judged, so it is refused"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			objects := []runtime.Object{clustertest.Namespace("guard"), clustertest.Namespace("other"), decoded(t, "Pod", with(ourPod, "spec: {", "status: {podIP: 10.1.0.1, podIPs: [{ip: 10.1.0.1}]}, spec: {")), decoded(t, "Deployment", ourDeployment)}
			for text := range strings.SplitSeq(tt.netpols, ";") {
				if text != "" {
					objects = append(objects, decoded(t, "NetworkPolicy", text))
				}
			}
			g := newGuard(t, tt.cidrs, clustertest.Snapshot(t, objects...))
			r := ask(t, tt.operation, tt.kind, tt.old, tt.next)
			if tt.user != "" {
				r.UserInfo.Username = tt.user
			}
			got := g.Handle(t.Context(), r)
			switch {
			case got.Allowed != (tt.want == ""):
				t.Fatalf("allowed: %v, %v", got.Allowed, got.Result)
			case !got.Allowed && !strings.Contains(got.Result.Message, tt.want):
				t.Errorf("it says\n%s\nwant %q", got.Result.Message, tt.want)
			}
			// In a dry run it is allowed, and says why it would not be.
			g.DryRun = true
			dry := g.Handle(t.Context(), r)
			if !dry.Allowed || tt.want != "" && (len(dry.Warnings) != 1 || !strings.HasPrefix(dry.Warnings[0], "would be denied: [self-guard] ")) {
				t.Errorf("dry run: %+v", dry.AdmissionResponse)
			}
			// In any other namespace nobody asks, and if somebody did it would pass.
			r.Namespace = "other"
			if got := g.Handle(t.Context(), r); !got.Allowed {
				t.Errorf("elsewhere: %v", got.Result)
			}
		})
	}
}

func TestARefusalSaysWhatAndHow(t *testing.T) {
	g := newGuard(t, "[]", clustertest.Snapshot(t, clustertest.Namespace("guard"), decoded(t, "Pod", ourPod)))
	got := g.Handle(t.Context(), ask(t, "DELETE", "Service", service, "")).Result
	const want = `this change to Service guard/podcullis would cut Podcullis off, and no change would be judged any more:
[self-guard] after it there is no Service guard/podcullis, which the API server calls
  to fix: leave the path between the API server and the pods of Service guard/podcullis as it is; if it is meant, have somebody who may update validatingwebhookconfigurations/podcullis annotate the object with podcullis.io/cut-off=meant, or delete that configuration first (docs/break-glass.md)`
	if got.Message != want || got.Code != 403 {
		t.Errorf("got %d\n%s", got.Code, got.Message)
	}
}

// What nobody can find out is not allowed, and what the namespace's end needs is.
func TestInDoubt(t *testing.T) {
	g := newGuard(t, "[]", clustertest.Snapshot(t, clustertest.Namespace("guard")))
	r := ask(t, "DELETE", "Service", meaning(service), "")
	r.UserInfo.Username = "admin"
	g.Rights = admins{errors.New("no answer")}
	if got := g.Handle(t.Context(), r); got.Allowed || !strings.Contains(got.Result.Message, "could not be found out: no answer") {
		t.Errorf("%+v", got.AdmissionResponse)
	}
	g.Rights = nil
	if got := g.Handle(t.Context(), r); got.Allowed {
		t.Errorf("%+v", got.AdmissionResponse)
	}
	ns := clustertest.Namespace("guard")
	ns.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	g.Model = still{clustertest.Snapshot(t, ns)}
	if got := g.Handle(t.Context(), r); !got.Allowed {
		t.Errorf("the namespace ends: %+v", got.AdmissionResponse)
	}
}

func TestSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "self.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := strings.Replace(settings, "CIDRS", "[10.0.0.0/28]", 1)
	for name, tc := range map[string]struct{ text, want string }{
		"Empty":        {"{}", "selector is missing"},
		"NoNamespace":  {strings.Replace(good, "namespace: guard", "", 1), "namespace is missing"},
		"UnknownField": {good + "more: 1\n", `unknown field "more"`},
		"NoCIDR":       {strings.Replace(good, "10.0.0.0/28", "ten", 1), `apiServer.cidrs[0]: "ten" is not a CIDR`},
		"NoPort":       {strings.Replace(good, "443, 6443", "", 1), "apiServer.ports is missing"},
		"NoPodPort":    {strings.Replace(good, "9443", "0", 1), "podPort must be a port, got 0"},
		"FarPort":      {strings.Replace(good, "servicePort: 443", "servicePort: 70000", 1), "servicePort must be a port, got 70000"},
	} {
		write(tc.text)
		if _, err := New(Options{File: file}); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), file) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	write(good)
	g, err := New(Options{File: file, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	write("broken: [")
	if got := g.settings(); got.Service != "podcullis" {
		t.Errorf("a broken file counts: %+v", got)
	}
	write(strings.Replace(good, "service: podcullis", "service: renamed", 1))
	if got := g.settings(); got.Service != "renamed" {
		t.Errorf("a new file does not count: %+v", got)
	}
}

func newGuard(t *testing.T, cidrs string, s *cluster.Snapshot) *Guard {
	t.Helper()
	if cidrs == "" {
		cidrs = "[]"
	}
	file := filepath.Join(t.TempDir(), "self.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(settings, "CIDRS", cidrs, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := New(Options{File: file, Model: still{s}, Rights: admins{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func ask(t *testing.T, operation, kind, old, next string) admission.Request {
	t.Helper()
	return admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "u", Operation: admissionv1.Operation(operation), Kind: kinds[kind], Namespace: "guard", Object: raw(t, next), OldObject: raw(t, old),
		UserInfo: authenticationv1.UserInfo{Username: "dev"},
	}}
}

func raw(t *testing.T, text string) runtime.RawExtension {
	t.Helper()
	if text == "" {
		return runtime.RawExtension{}
	}
	j, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return runtime.RawExtension{Raw: j}
}

func decoded(t *testing.T, kind, text string) runtime.Object {
	t.Helper()
	for gk, empty := range judged {
		if gk.Kind == kind {
			o := empty()
			if err := json.Unmarshal(raw(t, text).Raw, o); err != nil {
				t.Fatal(err)
			}
			return o
		}
	}
	t.Fatalf("no kind %s", kind)
	return nil
}
