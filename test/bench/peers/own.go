package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/policies"
)

// own is Podcullis: the engine with forbidden-paths, and the model.
type own struct {
	engine *guardrail.Engine
	base   *cluster.Snapshot
}

const ownConfig = `apiVersion: podcullis.io/v1alpha1
kind: Guardrails
guardrails:
- name: frontend-never-reaches-db
  guardrail: forbidden-paths
  action: deny
  parameters:
    from: {podSelector: {matchLabels: {tier: frontend}}}
    to: {podSelector: {matchLabels: {tier: db}}}
`

func newOwn(s *scene) (*own, error) {
	library, err := guardrail.LoadLibrary(guardrail.Source{Name: "embedded", FS: policies.FS})
	if err != nil {
		return nil, err
	}
	config, err := guardrail.ParseConfig("peers", []byte(ownConfig))
	if err != nil {
		return nil, err
	}
	o := &own{}
	if o.engine, err = guardrail.New(library, config); err != nil {
		return nil, err
	}
	objects := make([]cluster.Object, 0, len(s.objects))
	for _, api := range s.objects {
		object, err := cluster.FromAPI(api)
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", api.GetNamespace(), api.GetName(), err)
		}
		objects = append(objects, object)
	}
	o.base, err = cluster.New(objects...)
	return o, err
}

// denies judges a request from its JSON on, as behind the webhook.
func (o *own) denies(ctx context.Context, r *admissionv1.AdmissionRequest) (bool, error) {
	var before, after networkingv1.NetworkPolicy
	if err := json.Unmarshal(r.OldObject.Raw, &before); err != nil {
		return false, err
	}
	if err := json.Unmarshal(r.Object.Raw, &after); err != nil {
		return false, err
	}
	old, err := cluster.NewNetpol(&before)
	if err != nil {
		return false, err
	}
	changed, err := cluster.NewNetpol(&after)
	if err != nil {
		return false, err
	}
	change := cluster.Change{Before: old, After: changed}
	next, err := o.base.Apply(change)
	if err != nil {
		return false, err
	}
	d, err := o.engine.Evaluate(ctx, guardrail.Review{
		Request: r, Change: change, Before: o.base, After: next, Origin: guardrail.Admission, Time: time.Now(),
	})
	return d.Denied(), err
}
