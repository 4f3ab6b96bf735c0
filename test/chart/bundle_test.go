package chart

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

const fromBundle = `
bundle:
  address: oci://registry.example/team/guardrails:prod
  publicKeys:
    team: |
      -----BEGIN PUBLIC KEY-----
      bm9uZQ==
      -----END PUBLIC KEY-----
  scope: prod
  caBundle: "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n"
  registrySecretName: pull`

// A bundle takes the place of configuration and Rego, and of the canary among them.
func TestABundleTakesThePlaceOfFiles(t *testing.T) {
	r := install(t, fromBundle)
	pod := one[*appsv1.Deployment](t, r).Spec.Template.Spec
	var got []string
	for _, a := range pod.Containers[0].Args {
		if strings.HasPrefix(a, "--bundle") || strings.HasPrefix(a, "--config") || strings.HasPrefix(a, "--policy-dir") {
			got = append(got, a)
		}
	}
	want := []string{
		"--bundle=oci://registry.example/team/guardrails:prod", "--bundle-dir=/var/lib/podcullis/bundle", "--bundle-period=1m",
		"--bundle-key=team=/etc/podcullis/configuration/bundle-key-team.pem", "--bundle-scope=prod",
		"--bundle-ca-file=/etc/podcullis/configuration/bundle-ca.crt", "--bundle-registry-config=/etc/podcullis/bundle/.dockerconfigjson",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
	var keys []string
	for name := range one[*corev1.ConfigMap](t, r).Data {
		keys = append(keys, name)
	}
	slices.Sort(keys)
	if got := strings.Join(keys, " "); !strings.HasPrefix(got, "bundle-ca.crt bundle-key-team.pem ") || strings.Contains(got, "guardrails.yaml") || strings.Contains(got, "canary") {
		t.Errorf("the ConfigMap holds %s", got)
	}
	mounts := map[string]string{}
	for _, v := range pod.Volumes {
		if v.Name == "bundle" && v.EmptyDir != nil {
			mounts[v.Name] = "emptyDir"
		}
		if v.Name == "bundle-credentials" && v.Secret != nil {
			mounts[v.Name] = v.Secret.SecretName
		}
	}
	if diff := cmp.Diff(map[string]string{"bundle": "emptyDir", "bundle-credentials": "pull"}, mounts); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
	for _, o := range r.objects {
		if o.kind == "Pod" && strings.Contains(string(o.text), "--canary") {
			t.Error("helm test submits a canary that no guardrail refuses")
		}
	}
}

func TestTheLastGoodBundleMayOutliveThePod(t *testing.T) {
	r := install(t, fromBundle, "bundle: {volume: {persistentVolumeClaim: {claimName: bundles}}}")
	for _, v := range one[*appsv1.Deployment](t, r).Spec.Template.Spec.Volumes {
		if v.Name == "bundle" && (v.PersistentVolumeClaim == nil || v.EmptyDir != nil) {
			t.Errorf("the volume is %+v", v)
		}
	}
}

func TestValuesThatDoNotGoWithABundle(t *testing.T) {
	for values, want := range map[string]string{
		"mode: warn":                              "use audit or enforce",
		"rego: {configMaps: [mine]}":              "leave one of them out",
		"bundle: {publicKeys: null}":              "bundle.address needs bundle.publicKeys",
		"bundle: {allowUnsigned: true}":           "looks at no signature",
		"bundle: {tokenSecretName: t}":            "give one of them",
		"bundle: {address: oci:registry.example}": "address",
		"bundle: {publicKeys: {a: s3cr3t}}":       "publicKeys",
		"bundle: {publicKeys: {a/b: x}}":          "publicKeys",
	} {
		if _, err := rendered(t, fromBundle, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, got %v", values, want, err)
		}
	}
}
