package controlplane_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/controlplane/binaries"
)

// A test calls Start. A program that is not a test starts a control plane like this.
func ExampleRun() {
	if err := listNamespaces(context.Background()); err != nil {
		fmt.Println(err)
	}
}

func listNamespaces(ctx context.Context) (err error) {
	root, err := binaries.Root(".")
	if err != nil {
		return err
	}
	bin, err := binaries.Build(ctx, root, os.Stderr)
	if err != nil {
		return err
	}
	plane, err := controlplane.Run(ctx, bin, "state", controlplane.Options{Scheduler: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plane.Stop()) }()
	stdout, _, err := plane.Kubectl(ctx, "", "get", "namespaces")
	fmt.Print(stdout)
	return err
}
