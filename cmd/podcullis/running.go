package main

import (
	"context"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/podcullis/podcullis/cluster/manifest"
	"github.com/podcullis/podcullis/cluster/remote"
	"github.com/podcullis/podcullis/report"
)

// clientConfig is what --context and --kubeconfig name.
func (s *sources) clientConfig() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.kubeconfig
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: s.context})
}

// inContext puts manifests that name no namespace where kubectl would apply them:
// into the namespace of the context, if it has one.
func (p *program) inContext(s *sources) {
	if !s.live() || !s.manifests() || s.defaultNamespace != "" {
		return
	}
	raw, err := s.clientConfig().RawConfig()
	if err != nil {
		return // reading the cluster says what is wrong
	}
	name := s.context
	if name == "" {
		name = raw.CurrentContext
	}
	if c := raw.Contexts[name]; c != nil && c.Namespace != "" && c.Namespace != corev1.NamespaceDefault {
		s.defaultNamespace = c.Namespace
		p.say("note: objects that name no namespace are taken to be in %s, that of context %s; --default-namespace names another one", c.Namespace, name)
	}
}

// restConfig is how the cluster is reached that --context and --kubeconfig name, and its name.
func (s *sources) restConfig() (config *rest.Config, name string, err error) {
	klog.SetLogger(logr.Discard()) // what client-go has to say is in its errors
	loader := s.clientConfig()
	config, err = loader.ClientConfig()
	if err != nil {
		return nil, "", hint(err, "--context names a context of the kubeconfig; `kubectl config get-contexts` lists them")
	}
	name = s.context
	if raw, err := loader.RawConfig(); err == nil && name == "" {
		name = raw.CurrentContext
	}
	config.UserAgent = "podcullis/" + build().Version
	config.WarningHandler = rest.NoWarnings{}
	config.QPS, config.Burst = 50, 100
	return config, name, nil
}

// running reads the cluster that --context and --kubeconfig name.
func (s *sources) running(ctx context.Context) (*manifest.Set, error) {
	config, name, err := s.restConfig()
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, hint(err, "correct the kubeconfig")
	}
	served, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, hint(err, "correct the kubeconfig")
	}
	var also []remote.Also
	if s.entries {
		also = append(also, remote.Entries)
	}
	if s.partly != nil {
		set, unread, err := remote.ReadPart(ctx, client, served, report.ClusterPrefix+name)
		for _, u := range unread {
			s.partly(u.Resource, u.Err)
		}
		if err != nil {
			return nil, hint(err, "see that `kubectl --context %s get networkpolicies -A` works", name)
		}
		return set, nil
	}
	set, err := remote.Read(ctx, client, served, report.ClusterPrefix+name, also...)
	switch {
	case remote.Forbidden(err):
		return nil, hint(err, "whoever asks needs list in every namespace on pods, namespaces, NetworkPolicies, workloads and the other policy APIs: what is not seen could open any path")
	case err != nil:
		return nil, hint(err, "see that `kubectl --context %s get networkpolicies -A` works", name)
	}
	return set, nil
}
