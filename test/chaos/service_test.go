package chaos

import (
	"fmt"
	"net"
	"strconv"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The Service by which the API server knows the webhook, in a network of its own.
const (
	serviceNamespace = "podcullis"
	serviceName      = "podcullis"
	serviceIP        = "10.96.7.7" // of the control plane's range
	servicePort      = 9443        // of the replicas
)

// behindService starts replicas with addresses of their own, and registers them by the
// name of a Service. tells says where replicas are.
func (c cluster) behindService(t *testing.T, replicas int, tells func(*testing.T) endpoints) *service {
	t.Helper()
	c.kubectl(t, "", "create", "namespace", serviceNamespace)
	_, err := c.client.CoreV1().Services(serviceNamespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: serviceName},
		Spec:       corev1.ServiceSpec{ClusterIP: serviceIP, Ports: []corev1.ServicePort{{Name: "https", Port: 443}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := &service{cluster: c, endpoints: tells(t), hosts: podAddresses()}
	s.options.certs, s.ca = certificates(t)
	s.options.args = []string{"--replicas", strconv.Itoa(replicas)} // as the chart does
	for range replicas {
		s.surge(t)
	}
	c.registerAs(t, admissionregistrationv1.WebhookClientConfig{
		Service:  &admissionregistrationv1.ServiceReference{Namespace: serviceNamespace, Name: serviceName, Path: ptr("/validate")},
		CABundle: s.ca,
	}, admissionregistrationv1.Fail)
	return s
}

// podAddresses yields an address of podNetwork after the other.
func podAddresses() func() string {
	n := 0
	return func() string {
		n++
		return fmt.Sprintf("10.1.%d.%d", n/250, n%250+1)
	}
}

const podNetwork = "10.1.0.1/16"

// slice is the EndpointSlice of the Service, kept as its controller keeps it.
type slice struct {
	cluster
	t      *testing.T
	object *discoveryv1.EndpointSlice
}

func (c cluster) endpointSlice(t *testing.T) endpoints {
	t.Helper()
	object, err := c.client.DiscoveryV1().EndpointSlices(serviceNamespace).Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: serviceName + "-1", Labels: map[string]string{discoveryv1.LabelServiceName: serviceName}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: ptr("https"), Port: ptr(int32(servicePort)), Protocol: ptr(corev1.ProtocolTCP)}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &slice{cluster: c, t: t, object: object}
}

func (s *slice) add(address string) {
	s.t.Helper()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.object.Endpoints = append(s.object.Endpoints, discoveryv1.Endpoint{Addresses: []string{host}, Conditions: conditions(true)})
	s.update()
}

// remove does what is done for a pod that ends, and lets go of those that have ended.
func (s *slice) remove(address string) {
	s.t.Helper()
	host, _, _ := net.SplitHostPort(address)
	var kept []discoveryv1.Endpoint
	for _, e := range s.object.Endpoints {
		switch {
		case e.Addresses[0] == host:
			e.Conditions = conditions(false)
		case !*e.Conditions.Ready:
			continue
		}
		kept = append(kept, e)
	}
	s.object.Endpoints = kept
	s.update()
}

func (s *slice) update() {
	s.t.Helper()
	object, err := s.client.DiscoveryV1().EndpointSlices(serviceNamespace).Update(s.t.Context(), s.object, metav1.UpdateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.object = object
}

// conditions are those of a pod that is ready, or of one that ends and still serves.
func conditions(ready bool) discoveryv1.EndpointConditions {
	return discoveryv1.EndpointConditions{Ready: &ready, Serving: ptr(true), Terminating: ptr(!ready)}
}
