package selfguard

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/connectivity"
)

// Settings say what Podcullis is in the cluster: the chart writes them.
type Settings struct {
	// Namespace is that of the release, Service its Service and Deployment what makes its pods.
	Namespace  string `json:"namespace"`
	Service    string `json:"service"`
	Deployment string `json:"deployment"`
	// ServicePort is the port of the Service that the API server calls, and PortName the port
	// of the pods behind it, of number PodPort.
	ServicePort int32  `json:"servicePort"`
	PortName    string `json:"portName"`
	PodPort     uint16 `json:"podPort"`
	// Selector are the labels by which the Service finds the pods.
	Selector map[string]string `json:"selector"`
	// WebhookConfiguration is the name of the ValidatingWebhookConfiguration.
	WebhookConfiguration string `json:"webhookConfiguration"`
	// APIServer is where the API server is.
	APIServer APIServer `json:"apiServer"`
}

// APIServer is where the API server is, as far as it is known.
type APIServer struct {
	// CIDRs are its addresses. Without them any address may be the API server's.
	CIDRs []string `json:"cidrs"`
	// Ports are those on which it may listen.
	Ports []uint16 `json:"ports"`
}

// Load reads and checks a file.
func Load(file string) (*Settings, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &Settings{}
	if err := yaml.UnmarshalStrict(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

func (s *Settings) check() error {
	var errs []error
	for field, value := range map[string]string{
		"namespace": s.Namespace, "service": s.Service, "deployment": s.Deployment, "portName": s.PortName, "webhookConfiguration": s.WebhookConfiguration,
	} {
		if value == "" {
			errs = append(errs, fmt.Errorf("%s is missing", field))
		}
	}
	if s.ServicePort <= 0 || s.ServicePort > 65535 {
		errs = append(errs, fmt.Errorf("servicePort must be a port, got %d", s.ServicePort))
	}
	if s.PodPort == 0 {
		errs = append(errs, errors.New("podPort must be a port, got 0"))
	}
	if len(s.Selector) == 0 {
		errs = append(errs, errors.New("selector is missing: without labels every pod would be one of Podcullis"))
	}
	if len(s.APIServer.Ports) == 0 {
		errs = append(errs, errors.New("apiServer.ports is missing, such as [443, 6443]"))
	}
	for i, text := range s.APIServer.CIDRs {
		if _, err := netip.ParsePrefix(text); err != nil {
			errs = append(errs, fmt.Errorf("apiServer.cidrs[%d]: %q is not a CIDR, such as 10.0.0.0/28", i, text))
		}
	}
	return errors.Join(errs...)
}

// finds reports whether the Service finds pods with these labels.
func (s *Settings) finds(l labels.Set) bool {
	return labels.SelectorFromSet(s.Selector).Matches(l)
}

// incoming is the port that the API server calls on a pod.
func (s *Settings) incoming() connectivity.PortSet { return tcp(s.PodPort) }

// outgoing are the ports on which a pod calls the API server: one of them is enough.
func (s *Settings) outgoing() connectivity.PortSet { return tcp(s.APIServer.Ports...) }
