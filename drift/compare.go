package drift

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// intended is what the API server's answer is held against.
type intended struct {
	// configuration is the one that was meant, with defaults.
	configuration *admissionregistrationv1.ValidatingWebhookConfiguration
	// doors are the resources by which lost rules are named, as group/resource[/subresource].
	doors []string
	// certificate is the one that is served now.
	certificate *tls.Certificate
}

// differences says in words how the configuration differs from the one that was
// meant, always in the same order; nothing if it does not. nil is one that is not there.
func (i intended) differences(live *admissionregistrationv1.ValidatingWebhookConfiguration) []string {
	if live == nil {
		return []string{fmt.Sprintf("ValidatingWebhookConfiguration %s is missing: the API server asks about nothing", i.configuration.Name)}
	}
	var out []string
	for _, installed := range i.configuration.Webhooks {
		at := named(live.Webhooks, installed.Name)
		if at < 0 {
			out = append(out, fmt.Sprintf("webhook %s: is missing", installed.Name))
			continue
		}
		for _, difference := range i.webhook(&live.Webhooks[at], &installed) {
			out = append(out, fmt.Sprintf("webhook %s: %s", installed.Name, difference))
		}
	}
	for _, w := range live.Webhooks {
		if named(i.configuration.Webhooks, w.Name) < 0 {
			out = append(out, fmt.Sprintf("webhook %s: is there, and was not installed", w.Name))
		}
	}
	return out
}

func named(webhooks []admissionregistrationv1.ValidatingWebhook, name string) int {
	return slices.IndexFunc(webhooks, func(w admissionregistrationv1.ValidatingWebhook) bool { return w.Name == name })
}

// webhook compares two webhooks of one name.
func (i intended) webhook(live, installed *admissionregistrationv1.ValidatingWebhook) []string {
	var out []string
	for name, values := range fields(*live, *installed) {
		switch name {
		case "name": // by which the two were found
		case "rules":
			out = append(out, i.rules(live.Rules, installed.Rules)...)
		case "clientConfig":
			out = append(out, i.clientConfig(live.ClientConfig, installed.ClientConfig)...)
		default:
			out = append(out, values.difference(name)...)
		}
	}
	return out
}

func (i intended) clientConfig(live, installed admissionregistrationv1.WebhookClientConfig) []string {
	var out []string
	for name, values := range fields(live, installed) {
		switch {
		case name == "caBundle":
			out = append(out, i.bundle(live.CABundle, installed)...)
		case name == "service" && live.Service != nil && installed.Service != nil:
			for part, values := range fields(*live.Service, *installed.Service) {
				out = append(out, values.difference("clientConfig.service."+part)...)
			}
		default:
			out = append(out, values.difference("clientConfig."+name)...)
		}
	}
	return out
}

// values are those of one field.
type values struct{ live, installed any }

// difference is none if the values mean the same: an empty list is that of an
// absent one.
func (v values) difference(field string) []string {
	if equality.Semantic.DeepEqual(v.live, v.installed) {
		return nil
	}
	return []string{fmt.Sprintf("%s is %s, installed as %s", field, shown(v.live), shown(v.installed))}
}

// fields are those of two structs of one type, by their names in the API.
func fields[T any](live, installed T) iter.Seq2[string, values] {
	return func(yield func(string, values) bool) {
		a, b := reflect.ValueOf(live), reflect.ValueOf(installed)
		for i := range a.NumField() {
			name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
			if !yield(name, values{a.Field(i).Interface(), b.Field(i).Interface()}) {
				return
			}
		}
	}
}

// shown is a value as a person would write it.
func shown(v any) string {
	value := reflect.ValueOf(v)
	for value.Kind() == reflect.Pointer && !value.IsNil() {
		value = value.Elem()
	}
	switch kind := value.Kind(); {
	case kind == reflect.Pointer, kind == reflect.Slice && value.Len() == 0:
		return "unset"
	case kind == reflect.String:
		return value.String()
	}
	text, err := json.Marshal(value.Interface())
	if err != nil {
		return fmt.Sprintf("%+v", value.Interface())
	}
	return string(text)
}
