package controlplane

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// EtcdAddress is where etcd listens, as host:port, without TLS.
func (c *ControlPlane) EtcdAddress() string { return fmt.Sprintf("127.0.0.1:%d", c.ports.etcd) }

// AnotherAPIServer starts one more API server on the same etcd, which it reaches at the address
// (EtcdAddress, or a proxy before it), and returns its URL. Each has a watch cache of its own. Its
// users are those of the first. stop kills it, and so does Stop.
func (c *ControlPlane) AnotherAPIServer(ctx context.Context, etcdAddress string) (url string, stop func() error, err error) {
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	name := fmt.Sprintf("%s-%d", kubeAPIServer, port) // by which it is known here
	replaced := map[string]string{
		"--etcd-servers":   "http://" + etcdAddress,
		"--secure-port":    strconv.Itoa(port),
		"--audit-log-path": filepath.Join(c.Dir, name+"-audit.log"),
	}
	var args []string
	for _, arg := range c.apiServer().args {
		flag, _, _ := strings.Cut(arg, "=")
		if value, ok := replaced[flag]; ok {
			arg = flag + "=" + value
		}
		args = append(args, arg)
	}
	started, err := startProcess(filepath.Join(c.Bin, kubeAPIServer), args, c.environment(), c.logFile(name))
	if err != nil {
		return "", nil, fmt.Errorf("start %s: %w", name, err)
	}
	c.mu.Lock()
	c.processes[name] = started
	c.beside = append(c.beside, name)
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	url = fmt.Sprintf("https://127.0.0.1:%d", port)
	stop = func() error { return c.stop(name) }
	if err := started.awaitReady(ctx, answers(url+"/readyz", c.certs.ca)); err != nil {
		return "", nil, fmt.Errorf("start %s: %w", name, err)
	}
	return url, stop, nil
}
