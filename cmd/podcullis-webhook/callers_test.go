package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Whom a server tells everything: who shows a certificate, who is on this machine, or
// everybody, if the configuration says so.
func TestWhoIsToldEverything(t *testing.T) {
	config := func(messages string) string {
		file := filepath.Join(t.TempDir(), "guardrails.yaml")
		text := "apiVersion: podcullis.io/v1alpha1\nkind: Guardrails\n" + messages + "guardrails: [{name: a, guardrail: default-deny, action: deny}]\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, tt := range map[string]struct {
		bind, clientCA, messages string
		everything               bool
	}{
		"ThisMachine":              {"127.0.0.1:0", "", "", true},
		"ThisMachineByName":        {"localhost:0", "", "", true},
		"ThisMachineIPv6":          {"[::1]:0", "", "", true},
		"ThisMachineIsTold":        {"127.0.0.1:0", "", "messages: own-namespace\n", false},
		"EveryAddress":             {":9443", "", "", false},
		"EveryIPv4Address":         {"0.0.0.0:9443", "", "", false},
		"EveryIPv6Address":         {"[::]:9443", "", "", false},
		"AName":                    {"webhook.example.com:9443", "", "", false},
		"EveryAddressIsTold":       {":9443", "", "messages: full\n", true},
		"WithACertificate":         {":9443", "ca.crt", "", true},
		"WithACertificateNotToAll": {":9443", "ca.crt", "messages: own-namespace\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := defaultOptions()
			o.config = config(tt.messages)
			a := &app{options: o, log: newLogger(o, io.Discard)}
			o.bindAddress, o.clientCA = tt.bind, tt.clientCA
			var err error
			if a.guardrails, err = loadGuardrails(o, nil, a.log, prometheus.NewRegistry()); err != nil {
				t.Fatal(err)
			}
			if got := !a.ownNamespaceOnly(); got != tt.everything {
				t.Errorf("told everything: %v, want %v", got, tt.everything)
			}
		})
	}
}
