package chart

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podcullis/podcullis/test/controlplane"
)

// staticGuard renders the files as the documentation has it, and returns the flags of
// an API server that reads them, and the file with the policies.
func staticGuard(t *testing.T) (args []string, file string) {
	t.Helper()
	dir := t.TempDir()
	manifests := filepath.Join(dir, "static")
	if err := os.Mkdir(manifests, 0o755); err != nil {
		t.Fatal(err)
	}
	bin := controlplane.Bin(t)
	render := exec.CommandContext(t.Context(), filepath.Join(bin, "helm"), "template", "guard", chartDir, "-n", namespace,
		"--set", "admissionGuard.form=static", "--show-only", "templates/admissionguard.yaml")
	render.Env = []string{"HOME=" + dir}
	text, err := render.Output()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/admission-guard.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "   ```yaml\n")
	block, _, _ = strings.Cut(block, "   ```\n")
	var config strings.Builder
	for line := range strings.Lines(block) {
		config.WriteString(strings.TrimPrefix(line, "   "))
	}
	file = filepath.Join(manifests, "podcullis.yaml")
	for file, content := range map[string]string{
		file:                              string(text),
		filepath.Join(dir, "config.yaml"): strings.ReplaceAll(config.String(), "/etc/kubernetes/admission/static", manifests),
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args = []string{"--admission-control-config-file=" + filepath.Join(dir, "config.yaml")}
	version, err := exec.CommandContext(t.Context(), filepath.Join(bin, "kubectl"), "version", "--client").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(version), "v1.36.") { // from 1.37 on it is the default
		args = append(args, "--feature-gates=ManifestBasedAdmissionControlConfig=true")
	}
	return args, file
}

func (g *guarded) isNotInTheAPI(t *testing.T) {
	if got := kubectl(t, g.ControlPlane, "", "get", "validatingadmissionpolicies,validatingadmissionpolicybindings", "-o", "name"); got != "" {
		t.Errorf("in the API: %s", got)
	}
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: guardedName + "-webhooks.static.k8s.io"}}
	policy.Spec = admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{"*"}, Rule: admissionregistrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"pods"}},
		}}}},
		Validations: []admissionregistrationv1.Validation{{Expression: "true"}},
	}
	_, err := g.breaker.AdmissionregistrationV1().ValidatingAdmissionPolicies().Create(t.Context(), policy, metav1.CreateOptions{})
	if !apierrors.IsInvalid(err) {
		t.Errorf("a policy of that name over the API: got %v, want it to be invalid", err)
	}
}

// isThereAfterARestart: from the first request on, before anything else has synced.
func (g *guarded) isThereAfterARestart(t *testing.T) {
	if err := g.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	if err := g.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	wants(t, "delete by the administrator", true, g.admin.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(t.Context(), guardedName, dryDelete))
}

// followsItsFile: one that does not load leaves what was in force; one that does counts
// within a minute, without a restart.
func (g *guarded) followsItsFile(t *testing.T, file string) {
	original, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reloads := func(result string) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		if err := controlplane.Await(ctx, "a reload: "+result, func(ctx context.Context) error {
			text, err := g.admin.RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
			for line := range strings.Lines(string(text)) {
				if strings.HasPrefix(line, "apiserver_manifest_admission_config_controller_automatic_reloads_total{") &&
					strings.Contains(line, `status="`+result+`"`) && !strings.HasSuffix(line, " 0\n") {
					return nil
				}
			}
			return errors.Join(err, errors.New("not yet"))
		}); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(c *kubernetes.Clientset) error {
		return c.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(t.Context(), guardedName, dryDelete)
	}
	write(strings.ReplaceAll(string(original), "expression:", "expresssion:"))
	reloads("failure")
	wants(t, "delete by the administrator after a file that does not load", true, remove(g.admin))
	write(strings.ReplaceAll(string(original), breakGlass, "others"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	if err := controlplane.Await(ctx, "the new file", func(context.Context) error {
		if !refused(remove(g.breaker)) {
			return errors.New("those of the old one still may")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	write(string(original))
	if err := controlplane.Await(ctx, "the old file", func(context.Context) error { return remove(g.breaker) }); err != nil {
		t.Fatal(err)
	}
}
