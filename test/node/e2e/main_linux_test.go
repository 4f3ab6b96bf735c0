package e2e

import (
	"os"
	"testing"

	"github.com/podcullis/podcullis/test/node"
)

func TestMain(m *testing.M) { os.Exit(node.Main(m)) }

func TestX(t *testing.T) {
	n := node.Start(t)
	out, _, err := n.Kubectl(t.Context(), "", "get", "nodes,pods,svc,endpoints", "-A", "-o", "wide")
	t.Log(out, err)
}
