// Command node is the programs of a Kubernetes node in one binary, kubelet and kube-proxy: it
// becomes the program whose name it is started under. The build command, in ../build, links the
// names beside it.
//
// It is a module apart from the control plane's, in ../../controlplane/programs, so that those
// whose tests need no node never compile a kubelet. Both pin the same Kubernetes, and so the
// second to be built finds most of its packages in Go's build cache.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// exitUsage is EX_USAGE of sysexits.h.
const exitUsage = 64

// programs names everything this binary can be. The build reads the names with "-names".
func programs() map[string]func() *cobra.Command {
	return map[string]func() *cobra.Command{
		"kubelet":    func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
		"kube-proxy": proxy.NewProxyCommand,
	}
}

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	known := programs()
	if command, ok := known[filepath.Base(args[0])]; ok {
		return cli.Run(command())
	}
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(args) == 2 && args[1] == "-names" {
		fmt.Fprintln(stdout, strings.Join(names, "\n"))
		return 0
	}
	fmt.Fprintf(stderr, "%s: start this binary through a link named %s\n", args[0], strings.Join(names, ", "))
	return exitUsage
}
