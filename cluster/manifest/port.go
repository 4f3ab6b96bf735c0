package manifest

import (
	"fmt"
	"net/netip"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/podcullis/podcullis/cluster"
)

// checkPorts checks what of a pod decides where its named ports and addresses
// lead. The API server refuses such objects; the model would leave the port or
// address out, and a path would look shut.
func checkPorts(o runtime.Object) []problem {
	spec := field.NewPath("spec")
	template := spec.Child("template", "spec")
	switch o := o.(type) {
	case *corev1.Pod:
		return append(podPorts(&o.Spec, spec), podAddresses(&o.Status)...)
	case *appsv1.Deployment:
		return podPorts(&o.Spec.Template.Spec, template)
	case *appsv1.StatefulSet:
		return podPorts(&o.Spec.Template.Spec, template)
	case *appsv1.DaemonSet:
		return podPorts(&o.Spec.Template.Spec, template)
	case *appsv1.ReplicaSet:
		return podPorts(&o.Spec.Template.Spec, template)
	case *corev1.ReplicationController:
		if o.Spec.Template != nil {
			return podPorts(&o.Spec.Template.Spec, template)
		}
	case *batchv1.Job:
		return podPorts(&o.Spec.Template.Spec, template)
	case *batchv1.CronJob:
		return podPorts(&o.Spec.JobTemplate.Spec.Template.Spec, spec.Child("jobTemplate", "spec", "template", "spec"))
	}
	return nil
}

func podPorts(s *corev1.PodSpec, at *field.Path) []problem {
	problems := containerPorts(s.Containers, at.Child("containers"))
	return append(problems, containerPorts(s.InitContainers, at.Child("initContainers"))...)
}

func containerPorts(containers []corev1.Container, at *field.Path) []problem {
	var problems []problem
	for i, c := range containers {
		for j, p := range c.Ports {
			path := at.Index(i).Child("ports").Index(j)
			if _, ok := cluster.ParseProtocol(string(p.Protocol)); !ok && p.Protocol != "" {
				problems = append(problems, problem{path.Child("protocol").String(), fmt.Sprintf("must be TCP, UDP or SCTP, got %q", p.Protocol)})
			}
			if p.ContainerPort < 1 || p.ContainerPort > 65535 {
				problems = append(problems, problem{path.Child("containerPort").String(), fmt.Sprintf("must be between 1 and 65535, got %d", p.ContainerPort)})
			}
		}
	}
	return problems
}

func podAddresses(s *corev1.PodStatus) []problem {
	var problems []problem
	check := func(at *field.Path, ip string) {
		if _, err := netip.ParseAddr(ip); err != nil && ip != "" {
			problems = append(problems, problem{at.String(), fmt.Sprintf("must be an IP address, got %q", ip)})
		}
	}
	status := field.NewPath("status")
	check(status.Child("podIP"), s.PodIP)
	for i, ip := range s.PodIPs {
		check(status.Child("podIPs").Index(i).Child("ip"), ip.IP)
	}
	return problems
}
