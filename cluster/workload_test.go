package cluster_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/clustertest"
)

func TestFolding(t *testing.T) {
	webLabels := clustertest.Labels("app=web")
	hashed := clustertest.Labels("app=web", "pod-template-hash=1")
	web := clustertest.Deployment("shop/web", webLabels)
	web1 := clustertest.ReplicaSet("shop/web-1", clustertest.ControlledBy("Deployment/web"), hashed)
	of := func(name, owner string, options ...clustertest.Option) runtime.Object {
		return clustertest.Pod("shop/"+name, append([]clustertest.Option{clustertest.ControlledBy(owner)}, options...)...)
	}
	// A workload is printed as "Kind/name: variant | variant"; a variant as its
	// labels, its pods, and + when pods without an address are possible.
	tests := map[string]struct {
		reason  string
		objects []runtime.Object
		want    []string
	}{
		"BarePod": {
			reason:  "it stands alone",
			objects: []runtime.Object{clustertest.Pod("shop/lone", webLabels, clustertest.IP("10.0.0.1"))},
			want:    []string{"Pod/lone: app=web [lone]"},
		},
		"DeploymentReplicaSetPods": {
			reason:  "one peer; the hash makes the pods a variant beside the template",
			objects: []runtime.Object{web, web1, of("web-1-a", "ReplicaSet/web-1", hashed, clustertest.IP("10.0.0.1")), of("web-1-b", "ReplicaSet/web-1", hashed, clustertest.IP("10.0.0.2"))},
			want:    []string{"Deployment/web: app=web []+ | app=web,pod-template-hash=1 [web-1-a web-1-b]"},
		},
		"ScaledToZero": {
			reason:  "the Deployment is there, and may make pods; its revisions are history",
			objects: []runtime.Object{web, clustertest.ReplicaSet("shop/web-1", clustertest.ControlledBy("Deployment/web"), hashed, clustertest.Replicas(0))},
			want:    []string{"Deployment/web: app=web []+"},
		},
		"OldRevisionOfOtherLabels": {
			reason:  "without replicas it counts, too: nobody is asked who scales it",
			objects: []runtime.Object{web, clustertest.ReplicaSet("shop/web-0", clustertest.ControlledBy("Deployment/web"), clustertest.Labels("app=old"), clustertest.Replicas(0))},
			want:    []string{"Deployment/web: app=web []+", "ReplicaSet/web-0: app=old []+"},
		},
		"RevisionThatItsDeploymentLeftBehind": {
			reason:  "while it has pods, a revision with other labels is a peer of its own",
			objects: []runtime.Object{web, clustertest.ReplicaSet("shop/web-0", clustertest.ControlledBy("Deployment/web"), clustertest.Labels("app=old")), of("web-0-a", "ReplicaSet/web-0", clustertest.Labels("app=old"), clustertest.IP("10.0.0.1"))},
			want:    []string{"Deployment/web: app=web []+", "ReplicaSet/web-0: app=old [web-0-a]+"},
		},
		"PodRelabelledAway": {
			reason:  "it stands alone and remembers whose it was",
			objects: []runtime.Object{web, web1, of("web-1-a", "ReplicaSet/web-1", clustertest.Labels("app=debug", "pod-template-hash=1"))},
			want:    []string{"Deployment/web: app=web []+", "Pod/web-1-a: app=debug,pod-template-hash=1 [web-1-a]+ made for shop/Deployment/web of app=web,pod-template-hash=1"},
		},
		"PodWithoutOneLabel": {
			reason:  "a missing label is as good as another value",
			objects: []runtime.Object{web, web1, of("web-1-a", "ReplicaSet/web-1", webLabels)},
			want:    []string{"Deployment/web: app=web []+", "Pod/web-1-a: app=web [web-1-a]+ made for shop/Deployment/web of app=web,pod-template-hash=1"},
		},
		"PodWithAnExtraLabel": {
			reason:  "still of the workload, as another variant",
			objects: []runtime.Object{web, web1, of("web-1-a", "ReplicaSet/web-1", hashed, clustertest.Labels("extra=x"))},
			want:    []string{"Deployment/web: app=web []+ | app=web,extra=x,pod-template-hash=1 [web-1-a]+"},
		},
		"PodWithOtherPorts": {
			reason:  "names may resolve otherwise: another variant",
			objects: []runtime.Object{web, web1, of("web-1-a", "ReplicaSet/web-1", hashed, clustertest.Port("http", 80, "")), of("web-1-b", "ReplicaSet/web-1", hashed)},
			want:    []string{"Deployment/web: app=web []+ | app=web,pod-template-hash=1 [web-1-a]+ | app=web,pod-template-hash=1 [web-1-b]+"},
		},
		"ReplicaSetNotSeenYet": {
			reason:  "each kind has a watch of its own: the name and the hash lead to the Deployment",
			objects: []runtime.Object{web, of("web-1-a", "ReplicaSet/web-1", hashed)},
			want:    []string{"Deployment/web: app=web []+ | app=web,pod-template-hash=1 [web-1-a]+"},
		},
		"ReplicaSetNotSeenAndLabelsThatDoNotFit": {
			reason:  "the guess is taken only with the template's labels",
			objects: []runtime.Object{web, of("web-1-a", "ReplicaSet/web-1", clustertest.Labels("app=evil", "pod-template-hash=1"))},
			want:    []string{"Deployment/web: app=web []+", "ReplicaSet/web-1: app=evil,pod-template-hash=1 [web-1-a]+"},
		},
		"DeploymentNotSeenYet": {
			reason:  "a claim on what is not there gives nothing: the ReplicaSet is a peer by itself",
			objects: []runtime.Object{web1, of("web-1-a", "ReplicaSet/web-1", hashed)},
			want:    []string{"ReplicaSet/web-1: app=web,pod-template-hash=1 [web-1-a]+"},
		},
		"ReplicationController": {
			reason: "the pods of one are one workload, as those of a ReplicaSet",
			objects: []runtime.Object{
				clustertest.ReplicationController("shop/rc", webLabels, clustertest.Port("http", 80, "")),
				of("rc-a", "ReplicationController/rc", webLabels, clustertest.Port("http", 80, ""), clustertest.IP("10.0.0.1")),
				of("rc-b", "ReplicationController/rc", clustertest.Labels("app=debug")),
			},
			want: []string{"Pod/rc-b: app=debug [rc-b]+ made for shop/ReplicationController/rc of app=web", "ReplicationController/rc: app=web [rc-a]+"},
		},
		"DeploymentConfig": {
			reason: "each rollout of OpenShift's DeploymentConfig is a ReplicationController of one workload",
			objects: []runtime.Object{
				clustertest.ReplicationController("shop/r-1", clustertest.ControlledBy("DeploymentConfig/r"), webLabels, clustertest.Replicas(0)),
				clustertest.ReplicationController("shop/r-2", clustertest.ControlledBy("DeploymentConfig/r"), webLabels),
				of("r-2-a", "ReplicationController/r-2", webLabels),
			},
			want: []string{"DeploymentConfig/r: app=web [r-2-a]+"},
		},
		"BareReplicationController": {
			reason:  "scaled to zero it makes none now, but will",
			objects: []runtime.Object{clustertest.ReplicationController("shop/rc", webLabels, clustertest.Replicas(0))},
			want:    []string{"ReplicationController/rc: app=web []+"},
		},
		"ReplicationControllerWithoutTemplate": {
			reason:  "the API refuses it; it is no panic",
			objects: []runtime.Object{&corev1.ReplicationController{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "rc"}}},
			want:    []string{"ReplicationController/rc:  []+"},
		},
		"BareReplicaSet": {
			reason:  "a peer by itself, also when scaled to zero",
			objects: []runtime.Object{clustertest.ReplicaSet("shop/rs", webLabels, clustertest.Replicas(0))},
			want:    []string{"ReplicaSet/rs: app=web []+"},
		},
		"StatefulSet": {
			reason: "each pod has a label of its own",
			objects: []runtime.Object{
				clustertest.StatefulSet("shop/db", clustertest.Labels("app=db")),
				of("db-0", "StatefulSet/db", clustertest.Labels("app=db", "statefulset.kubernetes.io/pod-name=db-0"), clustertest.IP("10.0.0.1")),
			},
			want: []string{"StatefulSet/db: app=db []+ | app=db,statefulset.kubernetes.io/pod-name=db-0 [db-0]"},
		},
		"CronJobJobPod": {
			reason: "one peer three levels deep",
			objects: []runtime.Object{
				clustertest.CronJob("shop/nightly", clustertest.Labels("app=job")),
				clustertest.Job("shop/nightly-1", clustertest.ControlledBy("CronJob/nightly"), clustertest.Labels("app=job", "job-name=nightly-1")),
				of("nightly-1-a", "Job/nightly-1", clustertest.Labels("app=job", "job-name=nightly-1")),
			},
			want: []string{"CronJob/nightly: app=job []+ | app=job,job-name=nightly-1 [nightly-1-a]+"},
		},
		"JobNotSeenYet": {
			reason:  "its name leads to the CronJob",
			objects: []runtime.Object{clustertest.CronJob("shop/nightly", clustertest.Labels("app=job")), of("nightly-1-a", "Job/nightly-1", clustertest.Labels("app=job"))},
			want:    []string{"CronJob/nightly: app=job []+ | app=job [nightly-1-a]+"},
		},
		"FinishedJobs": {
			reason:  "their templates count until they are deleted, whatever the status says",
			objects: []runtime.Object{clustertest.Job("shop/a", clustertest.Finished("Complete")), clustertest.Job("shop/b", clustertest.Finished("Failed")), clustertest.Job("shop/c")},
			want:    []string{"Job/a:  []+", "Job/b:  []+", "Job/c:  []+"},
		},
		"FinishedJobWithARunningPod": {
			reason:  "what runs counts, too",
			objects: []runtime.Object{clustertest.Job("shop/a", clustertest.Finished("Failed")), of("a-x", "Job/a", clustertest.IP("10.0.0.1"))},
			want:    []string{"Job/a:  []+ |  [a-x]"},
		},
		"GonePods": {
			reason:  "Succeeded and Failed pods are gone; a terminating one runs",
			objects: []runtime.Object{clustertest.Pod("shop/a", clustertest.Phase("Succeeded")), clustertest.Pod("shop/b", clustertest.Phase("Failed")), clustertest.Pod("shop/c", clustertest.Terminating()), clustertest.Pod("shop/d", clustertest.Phase("Unknown"))},
			want:    []string{"Pod/c:  [c]+", "Pod/d:  [d]+"},
		},
		"CustomResource": {
			reason:  "pods of a controller that the model does not hold are one peer, by its name",
			objects: []runtime.Object{of("pg-0", "Postgres/pg", webLabels), of("pg-1", "Postgres/pg", webLabels)},
			want:    []string{"Postgres/pg: app=web [pg-0 pg-1]+"},
		},
		"RolloutOfACustomResource": {
			reason: "its revisions are one peer, scaled to zero or not",
			objects: []runtime.Object{
				clustertest.ReplicaSet("shop/r-1", clustertest.ControlledBy("Rollout/r"), hashed, clustertest.Replicas(0)),
				clustertest.ReplicaSet("shop/r-2", clustertest.ControlledBy("Rollout/r"), webLabels),
				of("r-2-a", "ReplicaSet/r-2", webLabels),
			},
			want: []string{"Rollout/r: app=web,pod-template-hash=1 []+ | app=web [r-2-a]+"},
		},
		"DeploymentOfACustomResource": {
			reason:  "an operator's Deployments are peers of their own",
			objects: []runtime.Object{clustertest.Deployment("shop/a", clustertest.ControlledBy("App/x")), clustertest.Deployment("shop/b", clustertest.ControlledBy("App/x"))},
			want:    []string{"Deployment/a:  []+", "Deployment/b:  []+"},
		},
		"ForgedOwners": {
			reason: "no controller makes a Deployment of a Deployment, nor a ReplicaSet with other labels",
			objects: []runtime.Object{
				web,
				clustertest.Deployment("shop/evil", clustertest.ControlledBy("Deployment/web"), clustertest.Labels("app=evil")),
				clustertest.ReplicaSet("shop/worse", clustertest.ControlledBy("Deployment/web"), clustertest.Labels("app=worse")),
				clustertest.ReplicaSet("shop/worst", clustertest.ControlledBy("DaemonSet/none"), clustertest.Labels("app=worst")),
				of("static", "Node/n1"), of("of-a-pod", "Pod/static"),
			},
			want: []string{"Deployment/evil: app=evil []+", "Deployment/web: app=web []+", "Pod/of-a-pod:  [of-a-pod]+", "Pod/static:  [static]+", "ReplicaSet/worse: app=worse []+", "ReplicaSet/worst: app=worst []+"},
		},
		"OwnersInARing": {
			reason: "every one of them is still there",
			objects: []runtime.Object{
				clustertest.ReplicaSet("shop/a", clustertest.ControlledBy("ReplicaSet/b")), clustertest.ReplicaSet("shop/b", clustertest.ControlledBy("ReplicaSet/c")),
				clustertest.ReplicaSet("shop/c", clustertest.ControlledBy("ReplicaSet/a")), clustertest.ReplicaSet("shop/d", clustertest.ControlledBy("ReplicaSet/d")),
				of("p", "ReplicaSet/a"),
			},
			want: []string{"ReplicaSet/a:  [p]+", "ReplicaSet/b:  []+", "ReplicaSet/c:  []+", "ReplicaSet/d:  []+"},
		},
		"NamesThatAreYetToBeMade": {
			reason:  "generateName is named by its prefix",
			objects: []runtime.Object{clustertest.Pod("shop/x", clustertest.GenerateName("web-"))},
			want:    []string{"Pod/web-*:  [web-*]+"},
		},
		"HostNetwork": {
			reason:  "another variant",
			objects: []runtime.Object{clustertest.DaemonSet("shop/agent", clustertest.HostNetwork()), of("agent-a", "DaemonSet/agent", clustertest.IP("172.16.0.1"))},
			want:    []string{"DaemonSet/agent:  []+ host |  [agent-a]"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := clustertest.Snapshot(t, tt.objects...)
			var got []string
			for w := range s.Workloads("shop") {
				got = append(got, workloadLine(w))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.reason, diff)
			}
			checkFolding(t, s)
		})
	}
}

func workloadLine(w *cluster.Workload) string {
	var variants []string
	for _, v := range w.Variants {
		text := fmt.Sprintf("%s %v", v.Labels, v.Pods)
		if v.Unaddressed {
			text += "+"
		}
		if v.HostNetwork {
			text += " host"
		}
		variants = append(variants, text)
	}
	line := w.Kind + "/" + w.Name + ": " + strings.Join(variants, " | ")
	if w.Parent != (cluster.Ref{}) {
		line += fmt.Sprintf(" made for %s of %s", w.Parent, w.ParentLabels)
	}
	return line
}

// checkFolding: every object is found from every side.
func checkFolding(t clustertest.TB, s *cluster.Snapshot) {
	t.Helper()
	pods := map[cluster.Ref]int{}
	for w := range s.AllWorkloads() {
		if found, ok := s.Workload(w.Ref); !ok || found != w {
			t.Fatalf("workload %s is listed and not found", w)
		}
		if len(w.Variants) == 0 {
			t.Fatalf("workload %s has no variant", w)
		}
		for _, v := range w.Variants {
			if v.Workload != w {
				t.Fatalf("a variant of %s says it is of %s", w, v.Workload)
			}
			for _, pod := range v.Pods {
				ref := cluster.Ref{Namespace: w.Namespace, Kind: "Pod", Name: pod}
				pods[ref]++
				if of, ok := s.WorkloadOf(ref); !ok || of != w {
					t.Fatalf("pod %s counts to %s and to %s", ref, w, of)
				}
			}
		}
	}
	for o := range s.Objects() {
		if p, ok := o.(*cluster.Pod); ok && pods[p.Ref()] != 1 {
			t.Fatalf("pod %s is in %d variants", p.Ref(), pods[p.Ref()])
		}
	}
}

func TestResolvePort(t *testing.T) {
	s := clustertest.Snapshot(t, clustertest.Pod("shop/p",
		clustertest.Port("web", 80, ""), clustertest.Port("web", 81, "TCP"), clustertest.Port("web", 82, "UDP"), clustertest.Port("", 83, ""),
		clustertest.Port("web", 0, ""), clustertest.Sidecar("web", 84), clustertest.InitContainer("web", 85)))
	w, ok := s.Workload(cluster.Ref{Namespace: "shop", Kind: "Pod", Name: "p"})
	if !ok {
		t.Fatal("no workload")
	}
	for name, tt := range map[string]struct {
		name     string
		protocol cluster.Protocol
		want     []uint16
	}{
		"ASetOfContainersAndSidecars": {"web", cluster.TCP, []uint16{80, 81, 84}},
		"PerProtocol":                 {"web", cluster.UDP, []uint16{82}},
		"NoSuchProtocol":              {"web", cluster.SCTP, nil},
		"NoSuchName":                  {"none", cluster.TCP, nil},
		"TheEmptyNameIsNone":          {"", cluster.TCP, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, w.Variants[0].ResolvePort(tt.name, tt.protocol)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
