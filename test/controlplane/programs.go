package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
)

// The programs of a control plane, by the names of their files in Bin.
const (
	etcd                  = "etcd"
	kubeAPIServer         = "kube-apiserver"
	kubeControllerManager = "kube-controller-manager"
	kubeScheduler         = "kube-scheduler"
)

const (
	serviceIPRange = "10.96.0.0/16"
	apiServiceIP   = "10.96.0.1" // the first of the range: the Service "kubernetes"
)

// program is one program of the control plane: how to start it and how to tell it is ready.
type program struct {
	name  string
	args  []string
	ready func(context.Context) error
}

func (c *ControlPlane) etcd() program {
	url := fmt.Sprintf("http://127.0.0.1:%d", c.ports.etcd)
	return program{
		name: etcd,
		args: []string{
			"--data-dir=" + filepath.Join(c.Dir, "etcd"),
			"--listen-client-urls=" + url,
			"--advertise-client-urls=" + url,
			"--listen-peer-urls=http://127.0.0.1:0", // there are no peers
			"--unsafe-no-fsync",
			"--log-level=warn",
		},
		ready: answers(url+"/health", nil),
	}
}

func (c *ControlPlane) apiServer() program {
	args := []string{
		"--etcd-servers=" + fmt.Sprintf("http://127.0.0.1:%d", c.ports.etcd),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(c.ports.apiServer),
		"--endpoint-reconciler-type=none", // a loopback address cannot be an endpoint of a Service
		"--service-cluster-ip-range=" + serviceIPRange,
		"--tls-cert-file=" + c.certs.serving.certFile,
		"--tls-private-key-file=" + c.certs.serving.keyFile,
		"--client-ca-file=" + c.certs.caFile,
		"--kubelet-client-certificate=" + c.certs.kubelets.certFile,
		"--kubelet-client-key=" + c.certs.kubelets.keyFile,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.certs.tokenKeyFile,
		"--service-account-signing-key-file=" + c.certs.tokenKeyFile,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--audit-policy-file=" + c.auditPolicyFile(),
		"--audit-log-path=" + c.AuditLog,
		"--audit-log-mode=blocking",
		"--audit-log-format=json",
		"--audit-log-maxsize=1000", // megabytes; AuditEvents reads one file
	}
	return program{
		name:  kubeAPIServer,
		args:  append(args, c.options.APIServerArgs...),
		ready: answers(c.URL+"/readyz", c.certs.ca),
	}
}

func (c *ControlPlane) controllerManager() program {
	args := []string{
		"--kubeconfig=" + c.componentKubeconfig(kubeControllerManager),
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(c.ports.controllerManager),
		"--tls-cert-file=" + c.certs.serving.certFile,
		"--tls-private-key-file=" + c.certs.serving.keyFile,
		"--leader-elect=false",
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + c.certs.tokenKeyFile,
		"--root-ca-file=" + c.certs.caFile,
		"--cluster-signing-cert-file=" + c.certs.caFile,
		"--cluster-signing-key-file=" + c.certs.caKeyFile,
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
	return program{
		name:  kubeControllerManager,
		args:  append(args, c.options.ControllerManagerArgs...),
		ready: answers(fmt.Sprintf("https://127.0.0.1:%d/healthz", c.ports.controllerManager), c.certs.ca),
	}
}

func (c *ControlPlane) scheduler() program {
	return program{
		name: kubeScheduler,
		args: []string{
			"--kubeconfig=" + c.componentKubeconfig(kubeScheduler),
			"--bind-address=127.0.0.1",
			"--secure-port=" + strconv.Itoa(c.ports.scheduler),
			"--tls-cert-file=" + c.certs.serving.certFile,
			"--tls-private-key-file=" + c.certs.serving.keyFile,
			"--leader-elect=false",
			"--kube-api-qps=500",
			"--kube-api-burst=1000",
		},
		ready: answers(fmt.Sprintf("https://127.0.0.1:%d/readyz", c.ports.scheduler), c.certs.ca),
	}
}

func (c *ControlPlane) auditPolicyFile() string { return filepath.Join(c.Dir, "audit-policy.yaml") }

func (c *ControlPlane) logFile(name string) string {
	return filepath.Join(c.Dir, "logs", name+".log")
}

func (c *ControlPlane) componentKubeconfig(name string) string {
	return filepath.Join(c.Dir, name+".kubeconfig")
}

// answers returns a check that url answers 200. A server at an https URL must have a certificate of
// ca. No connection is kept, so that a check leaves nothing behind.
func answers(url string, ca *x509.Certificate) func(context.Context) error {
	transport := &http.Transport{DisableKeepAlives: true}
	if ca != nil {
		roots := x509.NewCertPool()
		roots.AddCert(ca)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	client := &http.Client{Transport: transport}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		err = errors.Join(err, resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s: %s", url, resp.Status, body)
		}
		return err
	}
}
