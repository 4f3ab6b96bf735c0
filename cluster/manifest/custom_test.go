package manifest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/manifest"
)

// What has a pod template at spec.template is a workload, whatever its kind.
func TestCustomWorkloads(t *testing.T) {
	for name, tt := range map[string]struct {
		reason, stdin string
		want          []string // "file:line namespace/Kind/name labels ports"
	}{
		"ArgoRollout": {
			stdin: "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web, namespace: s}\n" +
				"spec: {strategy: {canary: {}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 80}]}]}}}\n",
			want: []string{"-:1 s/Rollout/web app=web [{http TCP 80}] false"},
		},
		"DeploymentConfigWithoutContainers": {
			reason: "the kind tells that it is a pod template",
			stdin:  "apiVersion: apps.openshift.io/v1\nkind: DeploymentConfig\nmetadata: {name: dc}\nspec: {template: {metadata: {labels: {app: dc}}}}\n",
			want:   []string{"-:1 default/DeploymentConfig/dc app=dc [] false"},
		},
		"KnativeService": {
			reason: "a container without a name, and fields that no pod has",
			stdin: "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {generateName: kn-, namespace: s}\n" +
				"spec: {template: {metadata: {labels: {tier: front}}, spec: {containerConcurrency: 3, containers: [{image: c}]}}}\n",
			want: []string{"-:1 s/Service/kn-* tier=front [] false"},
		},
		"AnyKind": {
			reason: "fields of the kind itself may have any type",
			stdin: "apiVersion: example.com/v1\nkind: Fleet\nmetadata: {name: f}\n" +
				"spec: {template: {spec: {hostNetwork: true, volumes: none, containers: [{image: c, env: {A: b}}]}}}\n",
			want: []string{"-:1 default/Fleet/f  [] true"},
		},
		"KindOfKubernetesInAnotherGroup": {
			reason: "OpenKruise's StatefulSet is another object than that of apps",
			stdin: "apiVersion: apps.kruise.io/v1beta1\nkind: StatefulSet\nmetadata: {name: db}\nspec: {template: {spec: {containers: [{image: c}]}}}\n" +
				"---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\n",
			want: []string{"-:1 default/StatefulSet.apps.kruise.io/db  [] false", "-:6 default/StatefulSet/db  [] false"},
		},
		"OneKindInTwoGroups": {
			stdin: "apiVersion: a.example.com/v1\nkind: Fleet\nmetadata: {name: f}\nspec: {template: {spec: {containers: [{image: c}]}}}\n" +
				"---\napiVersion: b.example.com/v1\nkind: Fleet\nmetadata: {name: f}\nspec: {template: {spec: {containers: [{image: c}]}}}\n",
			want: []string{"-:1 default/Fleet/f  [] false", "-:6 default/Fleet.b.example.com/f  [] false"},
		},
		"List": {
			stdin: `{"apiVersion": "argoproj.io/v1alpha1", "kind": "RolloutList", "items": [
 {"metadata": {"name": "a"}, "spec": {"template": {"spec": {"containers": []}}}},
 {"metadata": {"name": "b"}, "spec": {"template": {"spec": {"containers": []}}}}]}`,
			want: []string{"-:2 default/Rollout/a  [] false", "-:3 default/Rollout/b  [] false"},
		},
		"V1List": {
			stdin: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps.kruise.io/v1alpha1\n  kind: CloneSet\n  metadata: {name: cs}\n  spec: {template: {metadata: {labels: {a: b}}, spec: {containers: [{image: c}]}}}\n",
			want:  []string{"-:4 default/CloneSet/cs a=b [] false"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := manifest.Load([]string{"-"}, strings.NewReader(tt.stdin))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range set.Objects {
				m := o.Model.(*cluster.Template)
				ports := []string{}
				for _, p := range m.Ports {
					ports = append(ports, fmt.Sprint(p))
				}
				got = append(got, fmt.Sprintf("%s %s %s %v %v", o.Location, m.Ref(), m.Labels, ports, m.HostNetwork))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tt.reason, diff)
			}
			if len(set.Skipped)+len(set.Unread) > 0 {
				t.Errorf("skipped %v, unread %v", set.Skipped, set.Unread)
			}
			if _, err := set.Snapshot(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A template that cannot be read is an error at its line.
func TestCustomWorkloadErrors(t *testing.T) {
	for name, tt := range map[string]struct{ template, want string }{
		"LabelsThatAreNone":   {"{metadata: {labels: [a]}, spec: {containers: [{image: c}]}}", "-:5: Rollout s/web: spec.template.metadata.labels: "},
		"LabelThatIsANumber":  {"{metadata: {labels: {a: 1}}, spec: {containers: [{image: c}]}}", "-:5: Rollout s/web: spec.template.metadata.labels.a: must be a string"},
		"MisspeltLabels":      {"{metadata: {lables: {a: b}}, spec: {containers: [{image: c}]}}", "-:5: Rollout s/web: spec.template.metadata.lables: unknown field; did you mean labels?"},
		"ContainersNoList":    {"{spec: {containers: {web: {image: c}}}}", "-:5: Rollout s/web: spec.template.spec.containers: must be a list"},
		"PortThatIsText":      {"{spec: {containers: [{ports: [{containerPort: http}]}]}}", "-:5: Rollout s/web: spec.template.spec.containers[0].ports[0].containerPort: "},
		"PortOutOfRange":      {"{spec: {containers: [{ports: [{containerPort: 70000}]}]}}", "containerPort: must be between 1 and 65535, got 70000"},
		"MisspeltPort":        {"{spec: {containers: [{ports: [{containerport: 80}]}]}}", "ports[0].containerport: unknown field; did you mean containerPort?"},
		"HostNetworkNoBool":   {"{spec: {hostNetwork: maybe, containers: [{}]}}", "-:5: Rollout s/web: spec.template.spec.hostNetwork: must be true or false"},
		"TemplateNoObject":    {"web", "-:5: Rollout s/web: spec.template: must be"},
		"ContainersOfStrings": {"{spec: {containers: [web]}}", "-:5: Rollout s/web: spec.template.spec.containers[0]: must be"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := manifest.Load([]string{"-"}, strings.NewReader("apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web, namespace: s}\nspec:\n  template: "+tt.template+"\n"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want %q, got: %v", tt.want, err)
			}
		})
	}
}

// What makes pods and shows no template is told apart from what makes none.
func TestUnread(t *testing.T) {
	for name, tt := range map[string]struct{ apiVersion, kind, body, want string }{
		"Prometheus":          {"monitoring.coreos.com/v1", "Prometheus", "spec: {podMetadata: {labels: {a: b}}}", "an operator makes pods of it"},
		"PodMonitor":          {"monitoring.coreos.com/v1", "PodMonitor", "spec: {podMetricsEndpoints: [{port: http}]}", ""},
		"ServiceMonitor":      {"monitoring.coreos.com/v1", "ServiceMonitor", "spec: {}", ""},
		"PrometheusRule":      {"monitoring.coreos.com/v1", "PrometheusRule", "spec: {groups: []}", ""},
		"KafkaConnect":        {"kafka.strimzi.io/v1beta2", "KafkaConnect", "spec: {}", "an operator makes pods of it"},
		"KafkaTopic":          {"kafka.strimzi.io/v1beta2", "KafkaTopic", "spec: {partitions: 3, replicas: 3}", ""},
		"CNPG":                {"postgresql.cnpg.io/v1", "Cluster", "spec: {instances: 3}", "an operator makes pods of it"},
		"ClusterAPI":          {"cluster.x-k8s.io/v1beta1", "Cluster", "spec: {}", ""},
		"MachineDeployment":   {"cluster.x-k8s.io/v1beta1", "MachineDeployment", "spec: {replicas: 3, template: {spec: {clusterName: c}}}", ""},
		"Zalando":             {"acid.zalan.do/v1", "postgresql", "spec: {}", "an operator makes pods of it"},
		"VirtualMachine":      {"kubevirt.io/v1", "VirtualMachine", "spec: {template: {metadata: {labels: {a: b}}, spec: {domain: {}}}}", "it runs in a pod"},
		"RolloutByRef":        {"argoproj.io/v1alpha1", "Rollout", "spec: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}}", "its pods have the template of Deployment web (workloadRef)"},
		"RolloutWithout":      {"argoproj.io/v1alpha1", "Rollout", "spec: {}", "it has no pod template"},
		"Application":         {"argoproj.io/v1alpha1", "Application", "spec: {}", "what it stands for is elsewhere, and was not read"},
		"ApplicationSet":      {"argoproj.io/v1alpha1", "ApplicationSet", "spec: {template: {metadata: {name: a}, spec: {project: p}}}", "what it stands for is elsewhere, and was not read"},
		"AppProject":          {"argoproj.io/v1alpha1", "AppProject", "spec: {}", ""},
		"FluxKustomization":   {"kustomize.toolkit.fluxcd.io/v1", "Kustomization", "spec: {path: a}", "what it stands for is elsewhere, and was not read"},
		"FluxSource":          {"source.toolkit.fluxcd.io/v1", "GitRepository", "spec: {}", ""},
		"HelmRelease":         {"helm.toolkit.fluxcd.io/v2", "HelmRelease", "spec: {}", "what it stands for is elsewhere, and was not read"},
		"Spark":               {"sparkoperator.k8s.io/v1beta2", "SparkApplication", "spec: {driver: {}}", "an operator makes pods of it"},
		"MPIJob":              {"kubeflow.org/v2beta1", "MPIJob", "spec: {mpiReplicaSpecs: {}}", "an operator makes pods of it"},
		"JobSet":              {"jobset.x-k8s.io/v1alpha2", "JobSet", "spec: {replicatedJobs: []}", "an operator makes pods of it"},
		"PodSet":              {"app.example.com/v1alpha1", "PodSet", "spec: {replicas: 3}", "an operator makes pods of it"},
		"PodTemplate":         {"v1", "PodTemplate", "template: {spec: {containers: [{image: c}]}}", "others make pods of it"},
		"ByContainers":        {"example.com/v1", "Thing", "spec: {parts: [{deep: {containers: [{image: c}]}}]}", "it has containers, and no pod template at spec.template"},
		"ByOneContainer":      {"example.com/v1", "Thing", "spec: {steps: 3, container: {image: c}}", "it has containers, and no pod template at spec.template"},
		"ByPodTemplate":       {"example.com/v1", "Thing", "spec: {podTemplate: {metadata: {labels: {a: b}}}}", "it has containers, and no pod template at spec.template"},
		"ByScale":             {"example.com/v1", "Thing", "spec: {replicas: 2, image: c}", "by its spec, it makes pods"},
		"ByName":              {"example.com/v1", "BackupJob", "spec: {}", "by its name, it makes pods"},
		"SidecarSet":          {"apps.kruise.io/v1alpha1", "SidecarSet", "spec: {containers: [{image: c}]}", ""},
		"KyvernoPattern":      {"kyverno.io/v1", "ClusterPolicy", "spec: {rules: [{validate: {pattern: {spec: {containers: [{image: '*:*'}]}}}}]}", ""},
		"GatekeeperAssign":    {"mutations.gatekeeper.sh/v1", "Assign", "spec: {parameters: {assign: {value: {containers: [{image: c}]}}}}", ""},
		"Definition":          {"apiextensions.k8s.io/v1", "CustomResourceDefinition", "spec: {properties: {containers: {type: array}}}", ""},
		"ScaledObject":        {"keda.sh/v1alpha1", "ScaledObject", "spec: {minReplicaCount: 0, triggers: []}", ""},
		"Certificate":         {"cert-manager.io/v1", "Certificate", "spec: {secretTemplate: {labels: {a: b}}}", ""},
		"SealedSecret":        {"bitnami.com/v1alpha1", "SealedSecret", "spec: {template: {metadata: {labels: {a: b}}, type: Opaque}}", ""},
		"CoreService":         {"v1", "Service", "spec: {selector: {a: b}}", ""},
		"AutoscalerOfK8s":     {"autoscaling/v2", "HorizontalPodAutoscaler", "spec: {minReplicas: 1}", ""},
		"VerticalAutoscaler":  {"autoscaling.k8s.io/v1", "VerticalPodAutoscaler", "spec: {resourcePolicy: {containerPolicies: []}}", ""},
		"KarpenterNodePool":   {"karpenter.sh/v1", "NodePool", "spec: {template: {spec: {requirements: []}}, limits: {cpu: 1}}", ""},
		"PodMetricsOfMetrics": {"metrics.k8s.io/v1beta1", "PodMetrics", "containers: [{name: c, usage: {}}]", ""},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := manifest.Load([]string{"-"}, strings.NewReader("apiVersion: "+tt.apiVersion+"\nkind: "+tt.kind+"\nmetadata: {name: a, namespace: s}\n"+tt.body+"\n"))
			if !errors.Is(err, manifest.ErrNothing) {
				t.Fatalf("want nothing to evaluate, got %v", err)
			}
			got := ""
			for _, u := range set.Unread {
				got += u.Why
				if want := "-:1 s/" + u.GroupKind().String() + "/a"; u.Location.String()+" "+u.Ref().String() != want {
					t.Errorf("want %s, got %s %s", want, u.Location, u.Ref())
				}
			}
			if got != tt.want {
				t.Errorf("want %q, got %q", tt.want, got)
			}
			if got == "" && len(set.Skipped) != 1 || got != "" && len(set.Skipped) != 0 {
				t.Errorf("either skipped or unread, never both: %v, %v", set.Skipped, set.Unread)
			}
		})
	}
}
