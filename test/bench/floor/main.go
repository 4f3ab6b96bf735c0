// Command floor is a webhook that allows everything, on controller-runtime's own
// webhook server: the least that an admission webhook costs.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/podcullis/podcullis/webhook/serving"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	port := flags.Int("port", 0, "to serve on, on loopback")
	dir := flags.String("dir", "", "the `folder` for ca.crt")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *port == 0 || *dir == "" {
		return errors.New("-port and -dir are needed")
	}
	ctrllog.SetLogger(logr.Discard())
	certificate, err := serving.SelfSigned(*dir, nil)
	if err != nil {
		return err
	}
	server := ctrlwebhook.NewServer(ctrlwebhook.Options{
		Host: "127.0.0.1", Port: *port,
		TLSOpts: []func(*tls.Config){func(c *tls.Config) {
			c.GetCertificate = certificate.GetCertificate
			c.NextProtos = []string{"http/1.1"} // as a Service is called
		}},
	})
	server.Register("/validate", &admission.Webhook{Handler: admission.HandlerFunc(func(context.Context, admission.Request) admission.Response {
		return admission.Allowed("")
	})})
	slog.New(slog.NewJSONHandler(os.Stderr, nil)).Info("serving", "address", fmt.Sprintf("127.0.0.1:%d", *port))
	return server.Start(ctx)
}
