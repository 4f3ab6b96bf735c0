package rotation

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// defaultPeriod is how often the Secret is looked at: each replica serves a new
// certificate this long after it was made, at most.
const defaultPeriod = 10 * time.Second

// fieldOwner is the manager of the fields that are written.
const fieldOwner = "podcullis-certificates"

// Options are what a Keeper works on.
type Options struct {
	// Client reads and writes the API server, not a cache.
	Client client.Client
	// Secret exists already; the Keeper fills it: ca.crt, ca.key, tls.crt, tls.key.
	Secret types.NamespacedName
	// Configuration is the ValidatingWebhookConfiguration that gets the CA. It may be
	// missing, and come later.
	Configuration string
	// Hosts are the DNS names that the certificate is for, at least one.
	Hosts []string
	// Dir is where tls.crt and tls.key are written.
	Dir string
	// Period is how often the Secret is looked at; 10 s if 0.
	Period time.Duration
	// Now is time.Now if nil. A certificate has to be valid by the clock of the API server,
	// so that is the one to give.
	Now func() time.Time
	// Log is slog.Default() if nil.
	Log *slog.Logger
}

// Keeper keeps the certificate of one replica.
type Keeper struct {
	options Options
	log     *slog.Logger
	now     func() time.Time
	served  []byte // the tls.crt that was written last
	known   []byte // the CA that was published when Keep was last called
}

// New makes a Keeper. It does nothing before Keep.
func New(options Options) *Keeper {
	k := &Keeper{options: options, log: options.Log, now: options.Now}
	if k.options.Period <= 0 {
		k.options.Period = defaultPeriod
	}
	if k.now == nil {
		k.now = time.Now
	}
	if k.log == nil {
		k.log = slog.Default()
	}
	return k
}

// Watch keeps the certificate until ctx ends. What fails is tried again, and
// logged when it is new.
func (k *Keeper) Watch(ctx context.Context) {
	ticker := time.NewTicker(k.options.Period)
	defer ticker.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		switch err := k.Keep(ctx); {
		case err == nil:
			last = ""
		case ctx.Err() == nil && err.Error() != last:
			last = err.Error()
			k.log.Error("certificate not kept, the last one is still served", "error", err)
		}
	}
}

// Keep looks once: it renews what is about to expire, tells the API server whom to
// trust, and writes the pair to be served.
func (k *Keeper) Keep(ctx context.Context) error {
	var secret *corev1.Secret
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() (err error) {
		secret, err = k.renew(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("certificate Secret %s: %w", k.options.Secret, err)
	}
	ca := secret.Data[caCertificate]
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error { return k.publish(ctx, ca) })
	if err != nil {
		return fmt.Errorf("ValidatingWebhookConfiguration %s: %w", k.options.Configuration, err)
	}
	// API servers need a moment to hear of a CA. Until the next time the old pair,
	// whose CA is published too, will do.
	known := bytes.Equal(k.known, ca)
	k.known = ca
	if k.served != nil && !known {
		return nil
	}
	return k.write(secret)
}

// renew returns the Secret with a pair that is valid for a while.
func (k *Keeper) renew(ctx context.Context) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := k.options.Client.Get(ctx, k.options.Secret, secret); err != nil {
		return nil, err
	}
	data, what, err := renewed(secret.Data, k.options.Hosts, k.now())
	if err != nil || what == "" {
		return secret, err
	}
	secret.Data = data
	if err := k.options.Client.Update(ctx, secret, client.FieldOwner(fieldOwner)); err != nil {
		return nil, err
	}
	k.log.Info("certificate renewed", "what", what, "secret", k.options.Secret.String())
	return secret, nil
}

// publish puts the CA into the webhook configuration, before the one that is there.
// A configuration that is not there has nothing to be told.
func (k *Keeper) publish(ctx context.Context, ca []byte) error {
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := k.options.Client.Get(ctx, types.NamespacedName{Name: k.options.Configuration}, configuration); err != nil {
		return client.IgnoreNotFound(err)
	}
	before := configuration.DeepCopy()
	for i := range configuration.Webhooks {
		c := &configuration.Webhooks[i].ClientConfig
		c.CABundle = bundleWith(ca, c.CABundle, k.now())
	}
	if equality.Semantic.DeepEqual(before, configuration) {
		return nil
	}
	// A strategic merge names only what changes, so that a field which this build
	// does not know stays.
	patch := client.StrategicMergeFrom(before, client.MergeFromWithOptimisticLock{})
	if err := k.options.Client.Patch(ctx, configuration, patch, client.FieldOwner(fieldOwner)); err != nil {
		return client.IgnoreNotFound(err)
	}
	k.log.Info("CA published", "configuration", k.options.Configuration)
	return nil
}

// write brings the pair to the directory, and the CA by which other replicas know it.
// A reader that meets the new key beside the old certificate keeps what it has.
func (k *Keeper) write(secret *corev1.Secret) error {
	if bytes.Equal(k.served, secret.Data[corev1.TLSCertKey]) {
		return nil
	}
	names := []string{caCertificate, corev1.TLSPrivateKeyKey, corev1.TLSCertKey}
	// All are written before any counts: on a full disk the pair that was there stays, and
	// stays a pair, for a process that starts meanwhile.
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(k.options.Dir, name+".new"), secret.Data[name], 0o600); err != nil {
			return fmt.Errorf("write certificate: %w", err)
		}
	}
	for _, name := range names {
		path := filepath.Join(k.options.Dir, name)
		if err := os.Rename(path+".new", path); err != nil {
			return fmt.Errorf("write certificate: %w", err)
		}
	}
	k.served = secret.Data[corev1.TLSCertKey]
	return nil
}

// bundleWith puts the CA before what is in the bundle, and leaves out what has
// expired or does not parse. One predecessor stays.
func bundleWith(ca, bundle []byte, now time.Time) []byte {
	kept := [][]byte{ca}
	for rest := bundle; len(kept) < 2; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if text := pem.EncodeToMemory(block); !bytes.Equal(text, ca) && validAt(block.Bytes, now) {
			kept = append(kept, text)
		}
	}
	return bytes.Join(kept, nil)
}
