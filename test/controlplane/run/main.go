// Command run starts a control plane for a person: a Kubernetes API without nodes, on loopback, with
// you as its administrator. It stops on Ctrl-C.
//
//	go run ./test/controlplane/run [--dir folder] [--scheduler]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/podcullis/podcullis/test/controlplane"
	"github.com/podcullis/podcullis/test/controlplane/binaries"
)

type options struct {
	dir       string
	scheduler bool
}

func (o *options) AddFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.dir, "dir", "", "`folder` for state and logs, absent or empty before and kept after (default: a temporary one)")
	fs.BoolVar(&o.scheduler, "scheduler", false, "also start kube-scheduler, which assigns pods to Node objects")
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var opts options
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	fs.SetOutput(stderr)
	opts.AddFlags(fs)
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case fs.NArg() > 0:
		fmt.Fprintf(stderr, "run: unexpected argument %q\n", fs.Arg(0))
		return 2
	}
	if err := serve(ctx, opts, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "run:", err)
		return 1
	}
	return 0
}

// serve runs a control plane until ctx ends.
func serve(ctx context.Context, opts options, stdout, stderr io.Writer) (err error) {
	root, err := binaries.Root(".")
	if err != nil {
		return err
	}
	bin, err := binaries.Build(ctx, root, stderr)
	if err != nil {
		return err
	}
	dir := opts.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "podcullis-control-plane-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	fmt.Fprintln(stderr, "Starting etcd, kube-apiserver and the controllers ...")
	plane, err := controlplane.Run(ctx, bin, dir, controlplane.Options{Scheduler: opts.scheduler})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, `Kubernetes API at %s. In another terminal:

  export KUBECONFIG=%s
  export PATH=%s:$PATH

Logs are in %s, the audit log is %s.
Press Ctrl-C to stop it.
`, plane.URL, plane.Kubeconfig, plane.Bin, plane.Dir+"/logs", plane.AuditLog)
	<-ctx.Done()
	fmt.Fprintln(stderr, "Stopping ...")
	return plane.Stop()
}
