package controlplane

import (
	"fmt"
	"net/url"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// UserKubeconfig writes a kubeconfig with a client certificate for a user and returns its path. The
// user may do what RBAC grants to that name and those groups, and system:authenticated: next to
// nothing by default. Asking again for the same name replaces the file.
func (c *ControlPlane) UserKubeconfig(name string, groups ...string) (string, error) {
	path := filepath.Join(c.Dir, "users", url.PathEscape(name)+".kubeconfig")
	return path, c.writeKubeconfig(path, name, groups...)
}

// REST returns a client configuration for the member of system:masters, without client-side rate
// limits. It is the caller's to change.
func (c *ControlPlane) REST() *rest.Config { return rest.CopyConfig(c.admin) }

// UserREST is REST for the user that UserKubeconfig describes.
func (c *ControlPlane) UserREST(name string, groups ...string) (*rest.Config, error) {
	path, err := c.UserKubeconfig(name, groups...)
	if err != nil {
		return nil, err
	}
	return restConfig(path)
}

func (c *ControlPlane) writeKubeconfig(path, user string, groups ...string) error {
	certPEM, keyPEM, err := c.certs.issueUser(user, groups)
	if err != nil {
		return fmt.Errorf("issue a certificate for %s: %w", user, err)
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["podcullis-test"] = &clientcmdapi.Cluster{Server: c.URL, CertificateAuthorityData: c.certs.caPEM()}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: certPEM, ClientKeyData: keyPEM}
	config.Contexts["podcullis-test"] = &clientcmdapi.Context{Cluster: "podcullis-test", AuthInfo: user}
	config.CurrentContext = "podcullis-test"
	return clientcmd.WriteToFile(*config, path)
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // no limit
	return config, nil
}
