package live_test

import (
	"context"
	"log/slog"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/cluster/live"
)

// A program with a manager adds the model to it instead of starting it by hand.
func ExampleModel() {
	follow := func(ctx context.Context, config *rest.Config, log *slog.Logger) error {
		source, err := live.NewSource(config)
		if err != nil {
			return err
		}
		direct, err := client.New(config, client.Options{})
		if err != nil {
			return err
		}
		discovery, err := live.NewDiscovery(config)
		if err != nil {
			return err
		}
		model := live.New(source, live.Options{Log: log, Reader: direct, Discovery: discovery})
		go func() { _ = model.Start(ctx) }()

		within, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		known := model.WaitFor(within, func(now *cluster.Snapshot) bool {
			_, ok := now.Namespace("shop")
			return ok
		})
		log.Info("waited for a namespace", "known", known)
		return nil
	}
	_ = follow
}
