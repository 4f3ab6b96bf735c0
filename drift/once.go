package drift

import (
	"crypto/tls"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// Compare says once in which ways the configuration that the API server has differs from the one
// that was installed, which is given in YAML; live is nil for one that is not there. Without a
// certificate nothing is said about the caBundle.
func Compare(installed []byte, live *admissionregistrationv1.ValidatingWebhookConfiguration, resources []string, served *tls.Certificate) (name string, differences []string, err error) {
	c, err := parse(installed)
	if err != nil {
		return "", nil, err
	}
	if served == nil {
		served = &tls.Certificate{}
	}
	return c.Name, intended{configuration: c, doors: resources, certificate: served}.differences(live), nil
}

// Missing are the resources, of those by which lost rules are named, of which no webhook is asked
// about some operation, as "CREATE, DELETE of pods".
func Missing(rules []admissionregistrationv1.RuleWithOperations, resources []string) []string {
	all := []admissionregistrationv1.RuleWithOperations{{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.OperationAll},
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*/*"}},
	}}
	return lost(rules, all, resources)
}
