// Command build makes the programs of a test node and of its control plane, unless they are there
// already, and prints the folders they are in. What it is doing goes to standard error.
//
//	go run ./test/node/build
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/podcullis/podcullis/test/controlplane/binaries"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		fmt.Fprintf(stderr, "build: unexpected argument %q; usage: %s\n", args[0], binaries.BuildNodeCommand)
		return 2
	}
	root, err := binaries.Root(".")
	if err != nil {
		fmt.Fprintln(stderr, "build:", err)
		return 1
	}
	type build func(context.Context, string, io.Writer) (string, error)
	for _, b := range []build{binaries.Build, binaries.BuildNode} {
		dir, err := b(ctx, root, stderr)
		if err != nil {
			fmt.Fprintln(stderr, "build:", err)
			return 1
		}
		fmt.Fprintln(stdout, dir)
	}
	return 0
}
