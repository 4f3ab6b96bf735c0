package wire

import (
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (r *Reader) pod(p *corev1.Pod) {
	if !r.Object() {
		return
	}
	for r.Member() {
		switch string(r.name) {
		case "metadata":
			r.metadata(&p.ObjectMeta)
		case "spec":
			r.podSpec(&p.Spec)
		case "status":
			r.podStatus(&p.Status)
		default:
			r.Skip()
		}
	}
}

func (r *Reader) podSpec(s *corev1.PodSpec) {
	if !r.Object() {
		return
	}
	for r.Member() {
		switch string(r.name) {
		case "hostNetwork":
			r.Bool(&s.HostNetwork)
		case "nodeName":
			Text(r, &s.NodeName)
		case "containers":
			r.containers(&s.Containers)
		case "initContainers":
			r.containers(&s.InitContainers)
		default:
			r.Skip()
		}
	}
}

func (r *Reader) podStatus(s *corev1.PodStatus) {
	if !r.Object() {
		return
	}
	for r.Member() {
		switch string(r.name) {
		case "phase":
			Text(r, &s.Phase)
		case "podIP":
			Text(r, &s.PodIP)
		case "podIPs":
			r.podIPs(&s.PodIPs)
		default:
			r.Skip()
		}
	}
}

func (r *Reader) podIPs(into *[]corev1.PodIP) {
	if !r.Array() {
		return
	}
	for r.Element() {
		var ip corev1.PodIP
		if r.Object() {
			for r.Member() {
				if string(r.name) == "ip" {
					Text(r, &ip.IP)
				} else {
					r.Skip()
				}
			}
		}
		*into = append(*into, ip)
	}
}

// containers reads those that say something about ports: what is left out has none.
func (r *Reader) containers(into *[]corev1.Container) {
	if !r.Array() {
		return
	}
	for r.Element() {
		var ports []corev1.ContainerPort
		var restart *corev1.ContainerRestartPolicy
		if r.Object() {
			for r.Member() {
				switch string(r.name) {
				case "ports":
					r.containerPorts(&ports)
				case "restartPolicy":
					TextPointer(r, &restart)
				default:
					r.Skip()
				}
			}
		}
		if len(ports) > 0 {
			*into = append(*into, corev1.Container{Ports: ports, RestartPolicy: restart})
		}
	}
}

func (r *Reader) containerPorts(into *[]corev1.ContainerPort) {
	if !r.Array() {
		return
	}
	for r.Element() {
		var p corev1.ContainerPort
		if r.Object() {
			for r.Member() {
				switch string(r.name) {
				case "name":
					Text(r, &p.Name)
				case "protocol":
					Text(r, &p.Protocol)
				case "containerPort":
					r.int32(&p.ContainerPort)
				default:
					r.Skip()
				}
			}
		}
		*into = append(*into, p)
	}
}

// int32 reads a number as encoding/json does: 80, and not 8e1.
func (r *Reader) int32(into *int32) {
	if !r.is('0', "a number") {
		return
	}
	raw := r.Raw()
	if r.broken != nil {
		return
	}
	n, err := strconv.ParseInt(string(raw), 10, 32)
	if err != nil && r.wrong == nil {
		r.wrong = fmt.Errorf("%s: want a whole number of 32 bits, got %.32s", dotted(r.tokens.StackPointer()), raw)
	}
	*into = int32(n)
}

// pods is where what makes pods keeps them.
type pods struct {
	template *corev1.PodTemplateSpec
	optional **corev1.PodTemplateSpec
	selector **metav1.LabelSelector
	labels   *map[string]string
	ordinals **appsv1.StatefulSetOrdinals
	job      *batchv1.JobSpec
}

// workload reads what makes pods.
func (r *Reader) workload(m *metav1.ObjectMeta, p pods) {
	if !r.Object() {
		return
	}
	for r.Member() {
		switch string(r.name) {
		case "metadata":
			r.metadata(m)
		case "spec":
			r.workloadSpec(p)
		default:
			r.Skip()
		}
	}
}

func (r *Reader) workloadSpec(p pods) {
	if !r.Object() {
		return
	}
	for r.Member() {
		switch name := string(r.name); {
		case name == "template" && p.template != nil:
			r.template(p.template)
		case name == "template" && p.optional != nil:
			r.templatePointer(p.optional)
		case name == "selector" && p.selector != nil:
			r.selectorPointer(p.selector)
		case name == "selector" && p.labels != nil:
			r.TextMap(p.labels)
		case name == "ordinals" && p.ordinals != nil:
			r.ordinals(p.ordinals)
		case name == "completionMode" && p.job != nil:
			TextPointer(r, &p.job.CompletionMode)
		case name == "manualSelector" && p.job != nil:
			r.BoolPointer(&p.job.ManualSelector)
		default:
			r.Skip()
		}
	}
}

func (r *Reader) ordinals(into **appsv1.StatefulSetOrdinals) {
	if !r.Object() {
		return
	}
	*into = &appsv1.StatefulSetOrdinals{}
	for r.Member() {
		if string(r.name) == "start" {
			r.int32(&(*into).Start)
		} else {
			r.Skip()
		}
	}
}

func (r *Reader) cronJob(c *batchv1.CronJob) {
	if !r.Object() {
		return
	}
	for r.Member() {
		switch string(r.name) {
		case "metadata":
			r.metadata(&c.ObjectMeta)
		case "spec":
			r.cronJobSpec(&c.Spec)
		default:
			r.Skip()
		}
	}
}

func (r *Reader) cronJobSpec(s *batchv1.CronJobSpec) {
	if !r.Object() {
		return
	}
	for r.Member() {
		if string(r.name) != "jobTemplate" {
			r.Skip()
			continue
		}
		if !r.Object() {
			continue
		}
		for r.Member() {
			if string(r.name) == "spec" {
				job := &s.JobTemplate.Spec
				r.workloadSpec(pods{template: &job.Template, selector: &job.Selector, job: job})
			} else {
				r.Skip()
			}
		}
	}
}

func (r *Reader) template(t *corev1.PodTemplateSpec) {
	if r.Object() {
		r.templateMembers(t)
	}
}

func (r *Reader) templatePointer(into **corev1.PodTemplateSpec) {
	if r.Object() {
		*into = &corev1.PodTemplateSpec{}
		r.templateMembers(*into)
	}
}

func (r *Reader) templateMembers(t *corev1.PodTemplateSpec) {
	for r.Member() {
		switch string(r.name) {
		case "metadata":
			r.metadata(&t.ObjectMeta)
		case "spec":
			r.podSpec(&t.Spec)
		default:
			r.Skip()
		}
	}
}
