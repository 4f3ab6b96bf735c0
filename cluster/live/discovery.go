package live

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// Discovery asks an API server which kinds it serves. mark is that of the last answer,
// empty at first: where nothing has changed since, the answer is Unchanged.
type Discovery func(ctx context.Context, mark string) (Served, error)

// Served is what an API server serves.
type Served struct {
	// Mark is for the next question. It is empty where the API server gives none: then
	// each question costs as much as the first.
	Mark      string
	Unchanged bool
	Kinds     []ServedKind
	// Down are the API groups of which nobody can say now what they serve: their own
	// API server does not answer.
	Down []string
}

// ServedKind is a kind in the version that the API server prefers.
type ServedKind struct {
	schema.GroupVersionKind
	Namespaced, Listable bool
}

// maxDiscovery bounds what is read of an answer, in bytes.
const maxDiscovery = 64 << 20

// NewDiscovery makes a Discovery that needs no more rights than to read /apis, which
// every account has by default. An API server of Kubernetes 1.30 or later answers in one
// document with an ETag, so that asking again costs it next to nothing.
func NewDiscovery(config *rest.Config) (Discovery, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	older, err := discovery.NewDiscoveryClientForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	url := server.JoinPath("apis").String()
	return func(ctx context.Context, mark string) (Served, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return Served{}, err
		}
		request.Header.Set("Accept", discovery.AcceptV2+","+discovery.AcceptV1)
		if mark != "" {
			request.Header.Set("If-None-Match", mark)
		}
		response, err := client.Do(request)
		if err != nil {
			return Served{}, err
		}
		defer response.Body.Close()
		switch {
		case response.StatusCode == http.StatusNotModified:
			return Served{Mark: mark, Unchanged: true}, nil
		case response.StatusCode != http.StatusOK:
			text, _ := io.ReadAll(io.LimitReader(response.Body, maxProbeError))
			return Served{}, fmt.Errorf("ask which kinds are served: %s: %s", response.Status, text)
		case !inOneDocument(response):
			return servedByGroups(ctx, older)
		}
		var list apidiscovery.APIGroupDiscoveryList
		if err := json.NewDecoder(io.LimitReader(response.Body, maxDiscovery)).Decode(&list); err != nil {
			return Served{}, fmt.Errorf("ask which kinds are served: %w", err)
		}
		s := servedOf(&list)
		s.Mark = response.Header.Get("ETag")
		return s, nil
	}, nil
}

func inOneDocument(r *http.Response) bool {
	_, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && parameters["as"] == "APIGroupDiscoveryList"
}

func servedOf(list *apidiscovery.APIGroupDiscoveryList) Served {
	var out Served
	for _, group := range list.Items {
		for _, version := range group.Versions {
			if version.Freshness == apidiscovery.DiscoveryFreshnessStale {
				out.Down = append(out.Down, group.Name)
			}
			for _, r := range version.Resources {
				if r.ResponseKind != nil {
					gvk := schema.GroupVersionKind{Group: group.Name, Version: version.Version, Kind: r.ResponseKind.Kind}
					out.add(gvk, r.Scope == apidiscovery.ScopeNamespace, r.Verbs)
				}
			}
		}
	}
	return out
}

// add keeps the first version of a kind, the preferred one. An aggregated API server
// may serve a kind as several resources: one that can be listed counts.
func (s *Served) add(gvk schema.GroupVersionKind, namespaced bool, verbs []string) {
	listable := slices.Contains(verbs, "list")
	for i := range s.Kinds {
		if k := &s.Kinds[i]; k.GroupKind() == gvk.GroupKind() {
			if !k.Listable && listable {
				*k = ServedKind{gvk, namespaced, listable}
			}
			return
		}
	}
	s.Kinds = append(s.Kinds, ServedKind{gvk, namespaced, listable})
}

// servedByGroups asks an older API server, group by group.
func servedByGroups(ctx context.Context, client *discovery.DiscoveryClient) (Served, error) {
	var out Served
	_, lists, err := client.ServerGroupsAndResourcesWithContext(ctx)
	failed, partly := discovery.GroupDiscoveryFailedErrorGroups(err)
	if err != nil && !partly {
		return Served{}, fmt.Errorf("ask which kinds are served: %w", err)
	}
	for gv := range failed {
		out.Down = append(out.Down, gv.Group)
	}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return Served{}, fmt.Errorf("ask which kinds are served: %w", err)
		}
		for _, r := range list.APIResources {
			if !strings.Contains(r.Name, "/") { // a subresource
				out.add(gv.WithKind(r.Kind), r.Namespaced, r.Verbs)
			}
		}
	}
	return out, nil
}
