package image_test

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/internal/image"
)

// There are two ways to one image; this keeps them from parting.
func TestDockerfileSaysTheSame(t *testing.T) {
	content, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	contents := image.Webhook([]string{"podcullis-webhook"}, "${VERSION}", "")
	labels := map[string]string{}
	for _, m := range regexp.MustCompile(`(org\.opencontainers\.[\w.]+)="([^"]*)"`).FindAllStringSubmatch(string(content), -1) {
		labels[m[1]] = m[2]
	}
	if diff := cmp.Diff(contents.Labels, labels); diff != "" {
		t.Errorf("labels (-image +Dockerfile):\n%s", diff)
	}
	command := regexp.MustCompile(`(?m)^CMD (.*)$`).FindSubmatch(content)
	if command == nil {
		t.Fatal("no CMD")
	}
	var arguments []string
	if err := json.Unmarshal(command[1], &arguments); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(contents.Arguments, arguments); diff != "" {
		t.Errorf("arguments (-image +Dockerfile):\n%s", diff)
	}
	for _, line := range []string{"USER " + image.User, `ENTRYPOINT ["/usr/local/bin/podcullis-webhook"]`, "ENV PATH=/usr/local/bin"} {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(line) + `$`).Match(content) {
			t.Errorf("no line %s", line)
		}
	}
}
