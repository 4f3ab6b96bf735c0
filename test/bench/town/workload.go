package town

import (
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// settle fills the namespace with workloads until every pod has its place.
func (q *quarter) settle() {
	if q.plan.Solitary {
		q.settleAlone()
		return
	}
	switch q.index {
	case 0:
		q.deployment("coredns", map[string]string{"k8s-app": "kube-dns"}, 3, port("dns", 53, corev1.ProtocolUDP), port("dns-tcp", 53, corev1.ProtocolTCP), metricsPort())
		q.daemonSet("kube-proxy", map[string]string{"k8s-app": "kube-proxy"}, q.pods, metricsPort())
	case 1:
		q.statefulSet("prometheus", map[string]string{"app.kubernetes.io/name": "prometheus"}, 2, port("web", 9090, corev1.ProtocolTCP))
		q.daemonSet("node-exporter", map[string]string{"app.kubernetes.io/name": "node-exporter"}, q.pods, metricsPort())
	case 2:
		q.deployment("ingress-nginx", map[string]string{"app.kubernetes.io/name": "ingress-nginx"}, q.pods, port("http", 8080, corev1.ProtocolTCP), port("https", 8443, corev1.ProtocolTCP), metricsPort())
	default:
		q.cronJob("report")
		for app := 0; q.pods > 0; app++ {
			q.application(app)
		}
	}
}

// application adds the five tiers of one application, with as many replicas as
// there are pods left.
func (q *quarter) application(n int) {
	name := fmt.Sprintf("%s%d", []string{"cart", "billing", "feed", "quotes", "search"}[n%5], n/5)
	labels := func(tier string) map[string]string {
		return map[string]string{
			"app.kubernetes.io/name":     name + "-" + tier,
			"app.kubernetes.io/instance": name,
			"app.kubernetes.io/version":  fmt.Sprintf("1.%d.%d", q.random.IntN(20), q.random.IntN(10)),
			TierLabel:                    tier,
		}
	}
	q.deployment(name+"-frontend", labels(Frontend), 2+q.random.IntN(4), port("http", 8080, corev1.ProtocolTCP), metricsPort())
	q.deployment(name+"-api", labels(API), 2+q.random.IntN(8), port("grpc", 9000+int32(q.random.IntN(3)), corev1.ProtocolTCP), metricsPort())
	q.deployment(name+"-worker", labels(Worker), 1+q.random.IntN(12), metricsPort())
	q.statefulSet(name+"-cache", labels(Cache), 1+q.random.IntN(3), port("redis", 6379, corev1.ProtocolTCP), metricsPort())
	q.statefulSet(name+"-db", labels(Database), 1+q.random.IntN(3), port("postgres", 5432, corev1.ProtocolTCP), metricsPort())
}

func (q *quarter) take(replicas int) int {
	replicas = min(replicas, q.pods)
	q.pods -= replicas
	return replicas
}

// deployment adds a Deployment, the ReplicaSet of the release before, the
// present one, and its pods.
func (q *quarter) deployment(name string, labels map[string]string, replicas int, ports ...corev1.ContainerPort) {
	if replicas = q.take(replicas); replicas == 0 {
		return
	}
	d := &appsv1.Deployment{ObjectMeta: q.meta(name, labels)}
	d.UID = q.uid("Deployment", name)
	d.Spec.Replicas = new(int32(replicas))
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	d.Spec.Template = template(labels, ports)
	q.add(d)
	q.replicaSet(d, 0)
	rs := q.replicaSet(d, replicas)
	for range replicas {
		q.add(q.pod(rs.Name+"-"+q.suffix(5), rs.Spec.Template, owner(rs, "ReplicaSet")))
	}
}

func (q *quarter) replicaSet(d *appsv1.Deployment, replicas int) *appsv1.ReplicaSet {
	hash := q.suffix(10)
	labels := with(d.Spec.Template.Labels, "pod-template-hash", hash)
	rs := &appsv1.ReplicaSet{ObjectMeta: q.meta(d.Name+"-"+hash, labels)}
	rs.UID = q.uid("ReplicaSet", rs.Name)
	rs.OwnerReferences = []metav1.OwnerReference{owner(d, "Deployment")}
	rs.Spec.Replicas = new(int32(replicas))
	rs.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	rs.Spec.Template = d.Spec.Template
	rs.Spec.Template.Labels = labels
	q.add(rs)
	return rs
}

func (q *quarter) statefulSet(name string, labels map[string]string, replicas int, ports ...corev1.ContainerPort) {
	if replicas = q.take(replicas); replicas == 0 {
		return
	}
	s := &appsv1.StatefulSet{ObjectMeta: q.meta(name, labels)}
	s.UID = q.uid("StatefulSet", name)
	s.Spec.Replicas = new(int32(replicas))
	s.Spec.ServiceName = name
	s.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	s.Spec.Template = template(labels, ports)
	q.add(s)
	revision := name + "-" + q.suffix(10)
	for i := range replicas {
		t := s.Spec.Template
		t.Labels = with(with(with(labels, "controller-revision-hash", revision), "apps.kubernetes.io/pod-index", fmt.Sprint(i)), "statefulset.kubernetes.io/pod-name", fmt.Sprintf("%s-%d", name, i))
		q.add(q.pod(fmt.Sprintf("%s-%d", name, i), t, owner(s, "StatefulSet")))
	}
}

// daemonSet adds a DaemonSet on the host's network, as the cluster's own are.
func (q *quarter) daemonSet(name string, labels map[string]string, replicas int, ports ...corev1.ContainerPort) {
	if replicas = q.take(replicas); replicas == 0 {
		return
	}
	d := &appsv1.DaemonSet{ObjectMeta: q.meta(name, labels)}
	d.UID = q.uid("DaemonSet", name)
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	d.Spec.Template = template(labels, ports)
	d.Spec.Template.Spec.HostNetwork = true
	q.add(d)
	t := d.Spec.Template
	t.Labels = with(with(labels, "controller-revision-hash", q.suffix(10)), "pod-template-generation", "1")
	for range replicas {
		q.add(q.pod(name+"-"+q.suffix(5), t, owner(d, "DaemonSet")))
	}
}

// cronJob adds a CronJob between two runs.
func (q *quarter) cronJob(name string) {
	c := &batchv1.CronJob{ObjectMeta: q.meta(name, nil)}
	c.UID = q.uid("CronJob", name)
	c.Spec.Schedule = "0 4 * * *"
	c.Spec.JobTemplate.Spec.Template = template(map[string]string{"app.kubernetes.io/name": name, TierLabel: Worker}, nil)
	c.Spec.JobTemplate.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	q.add(c)
}

// settleAlone fills the namespace with pods that have nobody above them and no
// labels in common.
func (q *quarter) settleAlone() {
	for i := range q.pods {
		tier := Tiers()[i%len(Tiers())]
		t := template(map[string]string{
			soloLabel: q.solo(i), TierLabel: tier, "app.kubernetes.io/instance": q.solo(i),
			"app.kubernetes.io/name": "solo-" + tier,
		}, []corev1.ContainerPort{port("http", 8080, corev1.ProtocolTCP), port("grpc", 9000+int32(i%3), corev1.ProtocolTCP), metricsPort()})
		q.add(q.pod(q.solo(i), t))
	}
	q.pods = 0
}

// soloLabel tells the pods of a solitary town apart.
const soloLabel = "solo"

// solo is the name of a pod of a solitary town.
func (q *quarter) solo(i int) string { return fmt.Sprintf("solo-%d-%d", q.index, i) }

func (q *quarter) pod(name string, t corev1.PodTemplateSpec, owners ...metav1.OwnerReference) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: q.meta(name, t.Labels), Spec: t.Spec}
	p.UID = q.uid("Pod", name)
	p.OwnerReferences = owners
	if len(owners) > 0 {
		p.GenerateName = owners[0].Name + "-"
	}
	node, nodeAddress := q.node()
	address := q.address()
	if p.Spec.HostNetwork {
		address = nodeAddress
	}
	p.Spec.NodeName = node
	p.Status.Phase = corev1.PodRunning
	p.Status.HostIP = nodeAddress.String()
	p.Status.PodIP = address.String()
	p.Status.PodIPs = []corev1.PodIP{{IP: address.String()}}
	return p
}

// template is a pod template of the size that people write.
func template(labels map[string]string, ports []corev1.ContainerPort) corev1.PodTemplateSpec {
	limits := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")}
	requests := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("256Mi")}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{
				Name:  "main",
				Image: "registry.example/team/service@sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
				Args:  []string{"--config=/etc/service/config.yaml", "--log-format=json"},
				Env: []corev1.EnvVar{
					{Name: "LOG_LEVEL", Value: "info"},
					{Name: "DATABASE_URL", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "database"}, Key: "url"}}},
				},
				Ports:        ports,
				Resources:    corev1.ResourceRequirements{Limits: limits, Requests: requests},
				VolumeMounts: []corev1.VolumeMount{{Name: "config", MountPath: "/etc/service", ReadOnly: true}},
			}},
			Volumes:       []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "config"}}}}},
			RestartPolicy: corev1.RestartPolicyAlways,
		},
	}
}

func port(name string, number int32, protocol corev1.Protocol) corev1.ContainerPort {
	return corev1.ContainerPort{Name: name, ContainerPort: number, Protocol: protocol}
}

func metricsPort() corev1.ContainerPort { return port("metrics", 9102, corev1.ProtocolTCP) }

func owner(o client.Object, kind string) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: "apps/v1", Kind: kind, Name: o.GetName(), UID: o.GetUID(),
		Controller: new(true), BlockOwnerDeletion: new(true),
	}
}

func with(labels map[string]string, key, value string) map[string]string {
	out := maps.Clone(labels)
	out[key] = value
	return out
}
