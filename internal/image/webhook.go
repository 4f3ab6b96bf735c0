package image

// Webhook is what the image of podcullis-webhook holds: that binary, which is the first, and those
// given with it. The Dockerfile makes the same for those who have a container engine.
func Webhook(binaries []string, version, revision string) Contents {
	labels := map[string]string{
		"org.opencontainers.image.title":         "podcullis-webhook",
		"org.opencontainers.image.description":   "A validating admission webhook that keeps network paths shut",
		"org.opencontainers.image.source":        "https://github.com/podcullis/podcullis",
		"org.opencontainers.image.documentation": "https://github.com/podcullis/podcullis/tree/main/docs",
		"org.opencontainers.image.licenses":      "Apache-2.0",
		"org.opencontainers.image.version":       version,
	}
	if revision != "" {
		labels["org.opencontainers.image.revision"] = revision
	}
	return Contents{
		Binaries: binaries,
		Arguments: []string{
			"--bind-address=:9443", "--health-probe-bind-address=:8081", "--metrics-bind-address=:8080",
			"--cert-dir=/etc/podcullis/tls",
		},
		CertificateAuthorities: true,
		Labels:                 labels,
	}
}
