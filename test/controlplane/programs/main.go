// Command kubernetes is every program of a control plane in one binary: it becomes the program
// whose name it is started under. The build command, in ../build,
// links the names beside it.
//
// One binary links the API machinery once instead of five times, which keeps the first build to
// minutes. kubelet and kube-proxy are absent: no pod runs on this control plane.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// exitUsage is EX_USAGE of sysexits.h.
const exitUsage = 64

// program runs one program to its end with args[0] its name, and returns the exit code.
type program func(args []string) int

// programs names everything this binary can be. The build reads the names with "-names".
func programs() map[string]program {
	return map[string]program{
		"etcd":                    runEtcd,
		"kube-apiserver":          server(apiserver.NewAPIServerCommand),
		"kube-controller-manager": server(controllermanager.NewControllerManagerCommand),
		"kube-scheduler":          server(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
		"kubectl":                 runKubectl,
	}
}

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	known := programs()
	if start, ok := known[filepath.Base(args[0])]; ok {
		return start(args)
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

// server defers construction to the moment a program is chosen: the commands register flags and
// feature gates in the process they are built in.
func server(command func() *cobra.Command) program {
	return func([]string) int { return cli.Run(command()) }
}

func runEtcd(args []string) int {
	etcdmain.Main(args)
	return 0
}

func runKubectl([]string) int {
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err) // prints as kubectl does and exits with its code
	}
	return 0
}
