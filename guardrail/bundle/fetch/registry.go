package fetch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/podcullis/podcullis/guardrail/bundle"
)

// maxManifest is how large the manifest of an image may be.
const maxManifest = 1 << 20

// repository is the one of the address.
func (s *Source) repository() (*remote.Repository, func(), error) {
	client, done, err := s.client()
	if err != nil {
		return nil, nil, err
	}
	ref := *s.address.oci
	credential, err := s.credential(ref.Host())
	if err != nil {
		done()
		return nil, nil, err
	}
	return &remote.Repository{
		Reference:        ref,
		PlainHTTP:        s.address.plain,
		MaxMetadataBytes: maxManifest,
		Client: &auth.Client{
			Client: client, Cache: auth.NewCache(), Credential: credential,
			Header: http.Header{"User-Agent": {s.options.UserAgent}},
		},
	}, done, nil
}

// credential is for the one registry, and read anew for each question.
func (s *Source) credential(host string) (auth.CredentialFunc, error) {
	if s.options.RegistryConfig != "" {
		store, err := credentials.NewFileStore(s.options.RegistryConfig)
		if err != nil {
			return nil, bundle.Refuse(bundle.Unreachable, "credentials of registries %s: want Docker's config.json", s.options.RegistryConfig)
		}
		return func(ctx context.Context, asked string) (auth.Credential, error) {
			if asked != host {
				return auth.EmptyCredential, nil
			}
			return store.Get(ctx, s.address.oci.Registry)
		}, nil
	}
	token, err := s.token()
	if err != nil || token == "" {
		return nil, err
	}
	return auth.StaticCredential(host, auth.Credential{AccessToken: token}), nil
}

// fromRegistry pulls a bundle. The tag of the answer is the digest of the image's manifest, which
// names that of the layer: each is compared with what came.
func (s *Source) fromRegistry(ctx context.Context, tag string) (Answer, error) {
	repository, done, err := s.repository()
	if err != nil {
		return Answer{}, err
	}
	defer done()
	at, err := repository.Resolve(ctx, s.address.oci.Reference)
	if err != nil {
		return Answer{}, s.failure(err)
	}
	if pinned, err := s.address.oci.Digest(); err == nil && pinned != at.Digest {
		return Answer{}, bundle.Refuse(bundle.Tampered, "%s: the registry answers with %s", s.address, at.Digest)
	}
	if tag != "" && tag == at.Digest.String() {
		return Answer{Tag: tag, Unchanged: true}, nil
	}
	layer, err := s.layer(ctx, repository, at)
	if err != nil {
		return Answer{}, err
	}
	if layer.Size > s.options.Limits.Compressed {
		return Answer{}, bundle.Refuse(bundle.TooLarge, "%s: has more than %d bytes", s.address, s.options.Limits.Compressed)
	}
	raw, err := s.blob(ctx, repository.Blobs(), layer)
	if err != nil {
		return Answer{}, err
	}
	return answer(raw, at.Digest.String(), tag), nil
}

// layer is the bundle in an image: the one gzipped layer, as OPA's images have it.
func (s *Source) layer(ctx context.Context, repository *remote.Repository, at ocispec.Descriptor) (ocispec.Descriptor, error) {
	var none ocispec.Descriptor
	if at.MediaType != ocispec.MediaTypeImageManifest {
		return none, bundle.Refuse(bundle.Broken, "%s: is a %.100q: want an image, %s", s.address, at.MediaType, ocispec.MediaTypeImageManifest)
	}
	if at.Size > maxManifest {
		return none, bundle.Refuse(bundle.TooLarge, "%s: its manifest has more than %d bytes", s.address, maxManifest)
	}
	text, err := s.blob(ctx, repository.Manifests(), at)
	if err != nil {
		return none, err
	}
	var image ocispec.Manifest
	if err := json.Unmarshal(text, &image); err != nil {
		return none, bundle.Refuse(bundle.Broken, "%s: its manifest is no JSON", s.address)
	}
	var found []ocispec.Descriptor
	for _, l := range image.Layers {
		if l.MediaType == ocispec.MediaTypeImageLayerGzip {
			found = append(found, l)
		}
	}
	if len(found) != 1 {
		return none, bundle.Refuse(bundle.Broken, "%s: has %d layers %s: want one", s.address, len(found), ocispec.MediaTypeImageLayerGzip)
	}
	return found[0], nil
}

// blob reads what a descriptor names, and compares it.
func (s *Source) blob(ctx context.Context, from content.Fetcher, at ocispec.Descriptor) ([]byte, error) {
	if err := at.Digest.Validate(); err != nil || at.Size < 0 {
		return nil, bundle.Refuse(bundle.Broken, "%s: its manifest names what cannot be", s.address)
	}
	r, err := from.Fetch(ctx, at)
	if err != nil {
		return nil, s.failure(err)
	}
	defer r.Close()
	raw, err := content.ReadAll(io.LimitReader(r, at.Size+1), at)
	switch {
	case errors.Is(err, content.ErrMismatchedDigest), errors.Is(err, content.ErrTrailingData):
		return nil, bundle.Refuse(bundle.Tampered, "%s: what came is not what %s names", s.address, at.Digest)
	case err != nil:
		return nil, s.failure(err)
	}
	return raw, nil
}

// Push puts a bundle into a registry as OPA's tools do, and returns the digest of the image,
// by which it can be pinned.
func (s *Source) Push(ctx context.Context, raw []byte, b *bundle.Bundle) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.Patience.Whole, errTooLong)
	defer cancel()
	repository, done, err := s.repository()
	if err != nil {
		return "", err
	}
	defer done()
	put := func(mediaType string, data []byte) (ocispec.Descriptor, error) {
		d := content.NewDescriptorFromBytes(mediaType, data)
		err := repository.Blobs().Push(ctx, d, bytes.NewReader(data))
		if errors.Is(err, errdef.ErrAlreadyExists) {
			err = nil
		}
		return d, err
	}
	config, err := put(ocispec.MediaTypeImageConfig, []byte("{}"))
	if err != nil {
		return "", s.failure(err)
	}
	layer, err := put(ocispec.MediaTypeImageLayerGzip, raw)
	if err != nil {
		return "", s.failure(err)
	}
	layer.Annotations = map[string]string{ocispec.AnnotationTitle: "bundle.tar.gz"}
	image, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{layer},
		Annotations: map[string]string{ocispec.AnnotationRevision: b.Revision()},
	})
	if err != nil {
		return "", err
	}
	at := content.NewDescriptorFromBytes(ocispec.MediaTypeImageManifest, image)
	if pinned, err := s.address.oci.Digest(); err == nil && pinned != at.Digest {
		return "", bundle.Refuse(bundle.Tampered, "%s: the image would be %s: push to a tag", s.address, at.Digest)
	}
	if err := repository.Manifests().PushReference(ctx, at, bytes.NewReader(image), s.address.oci.Reference); err != nil {
		return "", s.failure(err)
	}
	return at.Digest.String(), nil
}
