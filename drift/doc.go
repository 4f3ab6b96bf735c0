// Package drift notices that the webhook configuration is not the one that was
// installed any more. Nothing inside a cluster can keep somebody from deleting or
// narrowing it (docs/adr/0013-drift.md), so that is at least said aloud.
//
// What it answers: in which ways does the ValidatingWebhookConfiguration that the
// API server has differ from the one that was meant?
//
//	watcher, err := drift.New(drift.Options{File: "webhooks.yaml", Reader: configurations, Resources: webhook.Resources(), Certificate: get})
//	go watcher.Watch(ctx)
//
// Invariants:
//   - Every field counts. Fields are found by reflection, so that one which a later
//     version of the API brings is compared without anybody thinking of it.
//   - Two fields are judged by what they do: rules by what is asked about, and the
//     caBundle, which others write, by whether it verifies the certificate in use.
//   - What could not be read is no difference: the last answer stands.
//   - It reads one object by name, and writes nothing.
//   - It imports nothing of ours, and webhook does not know it.
package drift
