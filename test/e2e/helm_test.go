package e2e

import (
	"path/filepath"
	"testing"
)

func TestHelmChartInstallsIfItBringsItsNetpols(t *testing.T) {
	c := start(t)
	c.namespace(t, "reports")
	c.gate(t, gateOptions{})
	c.shop(t)
	chart, err := filepath.Abs(filepath.Join("testdata", "chart"))
	if err != nil {
		t.Fatal(err)
	}
	helm := func(t *testing.T, goldenName string, args ...string) {
		t.Helper()
		_, stderr, err := c.Helm(t.Context(), append(args, "--namespace", "reports")...)
		if goldenName == "" && err != nil {
			t.Fatal(err)
		}
		if goldenName != "" {
			if err == nil {
				t.Fatalf("helm %v passed, and should be refused", args)
			}
			golden(t, goldenName, stderr)
		}
	}
	t.Run("Installs", func(t *testing.T) {
		helm(t, "", "install", "reports", chart)
		c.awaitPods(t, "reports", "app=reports", 1)
	})
	t.Run("UpgradeThatOpensAPathIsRefused", func(t *testing.T) {
		helm(t, "helm-upgrade-opens", "upgrade", "reports", chart, "--set", "readsDatabase=true")
	})
	t.Run("UpgradeThatDropsIsolationIsRefused", func(t *testing.T) {
		helm(t, "helm-upgrade-drops", "upgrade", "reports", chart, "--set", "isolated=false")
	})
	t.Run("InstallWithoutNetpolsIsRefused", func(t *testing.T) {
		helm(t, "helm-install-bare", "install", "bare", chart, "--set", "isolated=false")
	})
	t.Run("InstallThatOpensAPathIsRefused", func(t *testing.T) {
		helm(t, "helm-install-opens", "install", "other", chart, "--set", "readsDatabase=true")
	})
	t.Run("Uninstalls", func(t *testing.T) { helm(t, "", "uninstall", "reports") })
}
