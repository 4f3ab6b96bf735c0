package main

import (
	"context"
	_ "embed"
	"fmt"

	templatesv1 "github.com/open-policy-agent/frameworks/constraint/pkg/apis/templates/v1"
	constraint "github.com/open-policy-agent/frameworks/constraint/pkg/client"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/reviews"
	"github.com/open-policy-agent/frameworks/constraint/pkg/core/templates"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

var (
	//go:embed reach.rego
	reachRego string
	//go:embed gatekeeper.rego
	gatekeeperRego string
)

// gatekeeper is Gatekeeper's constraint client, wired as its webhook wires it.
type gatekeeper struct{ client *constraint.Client }

func newGatekeeper(ctx context.Context, s *scene) (*gatekeeper, error) {
	driver, err := rego.New(rego.Tracing(false), rego.DisableBuiltins("http.send"), rego.Externs("inventory"))
	if err != nil {
		return nil, err
	}
	client, err := constraint.NewClient(constraint.Targets(&target.K8sValidationTarget{}), constraint.Driver(driver),
		constraint.EnforcementPoints(util.WebhookEnforcementPoint, util.AuditEnforcementPoint))
	if err != nil {
		return nil, err
	}
	g := &gatekeeper{client}
	if err := g.addTemplate(ctx, "ForbiddenPaths", gatekeeperRego+reachRego); err != nil {
		return nil, err
	}
	if err := g.addConstraint(ctx, "ForbiddenPaths", "networking.k8s.io", "NetworkPolicy"); err != nil {
		return nil, err
	}
	for _, o := range s.objects {
		switch o.(type) {
		case *corev1.Namespace, *corev1.Pod, *networkingv1.NetworkPolicy:
			if err := g.addData(ctx, o); err != nil {
				return nil, fmt.Errorf("%s/%s: %w", o.GetNamespace(), o.GetName(), err)
			}
		}
	}
	return g, nil
}

func (g *gatekeeper) addTemplate(ctx context.Context, kind, text string) error {
	code, err := yaml.Marshal(map[string]any{
		"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
		"metadata": map[string]any{"name": lower(kind)},
		"spec": map[string]any{
			"crd": map[string]any{"spec": map[string]any{"names": map[string]any{"kind": kind}}},
			"targets": []any{map[string]any{
				"target": target.Name,
				"code":   []any{map[string]any{"engine": "Rego", "source": map[string]any{"version": "v1", "rego": text}}},
			}},
		},
	})
	if err != nil {
		return err
	}
	var versioned templatesv1.ConstraintTemplate
	if err := yaml.Unmarshal(code, &versioned); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := templatesv1.AddToScheme(scheme); err != nil {
		return err
	}
	var template templates.ConstraintTemplate
	if err := scheme.Convert(&versioned, &template, nil); err != nil {
		return err
	}
	_, err = g.client.AddTemplate(ctx, &template)
	return err
}

func (g *gatekeeper) addConstraint(ctx context.Context, kind, group, matched string) error {
	_, err := g.client.AddConstraint(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": map[string]any{"name": lower(kind)},
		"spec": map[string]any{"match": map[string]any{"kinds": []any{map[string]any{"apiGroups": []any{group}, "kinds": []any{matched}}}}},
	}})
	return err
}

func (g *gatekeeper) addData(ctx context.Context, o runtime.Object) error {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return err
	}
	_, err = g.client.AddData(ctx, &unstructured.Unstructured{Object: object})
	return err
}

func (g *gatekeeper) denies(ctx context.Context, r *admissionv1.AdmissionRequest) (bool, error) {
	responses, err := g.client.Review(ctx, &target.AugmentedReview{
		AdmissionRequest: r, IsAdmission: true,
		Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.Namespace}},
	}, reviews.EnforcementPoint(util.WebhookEnforcementPoint))
	if err != nil {
		return false, err
	}
	return len(responses.Results()) > 0, nil
}
