package image_test

import (
	"archive/tar"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/podcullis/podcullis/internal/image"
)

// limit is what the image may weigh unpacked, on a node's disk.
const limit = 60 << 20

// TestWebhookImage is about the image that people get: nothing in it but what it needs.
func TestWebhookImage(t *testing.T) {
	webhook := compile(t, "github.com/podcullis/podcullis/cmd/podcullis-webhook")
	contents := image.Webhook([]string{webhook}, "v1.2.3", "0123abc")
	contents.Created = time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC)
	img := newImage(t, contents)
	files := filesOf(t, img)
	var names []string
	var unpacked int64
	for _, f := range files {
		names = append(names, f.Name)
		unpacked += f.Size
		if f.Uid != 0 || f.Gid != 0 || f.Mode&0o022 != 0 || f.Mode&0o7000 != 0 {
			t.Errorf("%s: owner %d:%d, mode %o: whoever runs here could change it", f.Name, f.Uid, f.Gid, f.Mode)
		}
	}
	want := []string{
		"etc/", "etc/ssl/", "etc/ssl/certs/", "etc/ssl/certs/ca-certificates.crt",
		"usr/", "usr/local/", "usr/local/bin/", "usr/local/bin/podcullis-webhook",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	t.Logf("%.1f MB unpacked", float64(unpacked)/1e6)
	if unpacked > limit {
		t.Errorf("unpacked it is %d bytes, more than %d", unpacked, limit)
	}

	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.OS != "linux" || config.Config.User != "65532:65532" || config.Created.Time != contents.Created {
		t.Errorf("got os %s, user %s, created %s", config.OS, config.Config.User, config.Created)
	}
	if diff := cmp.Diff([]string{"/usr/local/bin/podcullis-webhook"}, config.Config.Entrypoint); diff != "" {
		t.Errorf("entrypoint (-want +got):\n%s", diff)
	}
	for label, want := range map[string]string{
		"org.opencontainers.image.version": "v1.2.3", "org.opencontainers.image.revision": "0123abc",
		"org.opencontainers.image.licenses": "Apache-2.0", "org.opencontainers.image.title": "podcullis-webhook",
	} {
		if got := config.Config.Labels[label]; got != want {
			t.Errorf("label %s: got %q, want %q", label, got, want)
		}
	}
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Config.Labels, manifest.Annotations); diff != "" {
		t.Errorf("annotations of the manifest (-labels +annotations):\n%s", diff)
	}
}

// TestWebhookStartsWithTheArgumentsOfTheImage catches a flag that was renamed here and not there.
func TestWebhookStartsWithTheArgumentsOfTheImage(t *testing.T) {
	webhook := compile(t, "github.com/podcullis/podcullis/cmd/podcullis-webhook")
	arguments := append(image.Webhook(nil, "", "").Arguments, "--version")
	if out, err := exec.CommandContext(t.Context(), webhook, arguments...).CombinedOutput(); err != nil {
		t.Errorf("podcullis-webhook %v: %v\n%s", arguments, err, out)
	}
}

func TestRootsAreCertificateAuthorities(t *testing.T) {
	for _, f := range filesOf(t, newImage(t, image.Contents{Binaries: []string{small(t)}, CertificateAuthorities: true})) {
		if f.Name != "etc/ssl/certs/ca-certificates.crt" {
			continue
		}
		count := 0
		for block, rest := pem.Decode(f.content); block != nil; block, rest = pem.Decode(rest) {
			count++
			root, err := x509.ParseCertificate(block.Bytes)
			if err != nil || !root.IsCA {
				t.Errorf("certificate %d: %v, CA %v", count, err, root.IsCA)
			}
		}
		if count < 50 {
			t.Errorf("%d certificates are too few to be Mozilla's", count)
		}
		return
	}
	t.Error("no bundle of certificate authorities")
}

// The digest of an image is what people sign and pin: another machine has to get the same.
func TestSameFilesSameDigest(t *testing.T) {
	binary := small(t)
	contents := func(binary string) image.Contents {
		return image.Contents{
			Binaries: []string{binary}, CertificateAuthorities: true,
			Labels: map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"},
		}
	}
	first := digest(t, newImage(t, contents(binary)))
	copied := filepath.Join(t.TempDir(), filepath.Base(binary)) // another folder, owner's mode and time
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, content, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(copied, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if second := digest(t, newImage(t, contents(copied))); second != first {
		t.Errorf("got %s, then %s", first, second)
	}
	other := contents(binary)
	other.Labels["a"] = "2"
	if third := digest(t, newImage(t, other)); third == first {
		t.Error("another label, and the same digest")
	}
}

func TestWrittenImageIsTheImage(t *testing.T) {
	img := newImage(t, image.Contents{Binaries: []string{small(t)}})
	want := digest(t, img)
	folder := filepath.Join(t.TempDir(), "layout")
	if err := os.MkdirAll(filepath.Join(folder, "blobs", "stale"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := image.WriteLayout(folder, "example.test/small:v1", img); err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Digest != want {
		t.Errorf("the layout holds %+v, want %s", manifest.Manifests, want)
	}
	if got := manifest.Manifests[0].Annotations["org.opencontainers.image.ref.name"]; got != "v1" {
		t.Errorf("the layout calls it %q", got)
	}
	if _, err := os.Stat(filepath.Join(folder, "blobs", "stale")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was in the folder before is still there: %v", err)
	}

	archive := filepath.Join(t.TempDir(), "small.tar")
	if err := image.WriteArchive(archive, "example.test/small:v1", img); err != nil {
		t.Fatal(err)
	}
	read, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(configOf(t, img), configOf(t, read)); diff != "" {
		t.Errorf("image config in the archive (-want +got):\n%s", diff)
	}
}

func TestWhatCannotRunAloneIsRefused(t *testing.T) {
	text := filepath.Join(t.TempDir(), "script.sh")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		binaries []string
		want     string
	}{
		"Nothing":        {nil, "no binary"},
		"AScript":        {[]string{text}, "script.sh is not an ELF binary"},
		"NeedsLibraries": {[]string{"/bin/sh"}, "CGO_ENABLED=0"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := image.New(image.Contents{Binaries: tt.binaries})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// small compiles a program that is quick to link.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return compile(t, source)
}

func compile(t *testing.T, what string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(what), ".go"))
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "grpcnotrace", "-trimpath", "-ldflags", "-s -w", "-o", out, what)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return out
}

func newImage(t *testing.T, contents image.Contents) v1.Image {
	t.Helper()
	img, err := image.New(contents)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func digest(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	hash, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func configOf(t *testing.T, img v1.Image) string {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

type content struct {
	*tar.Header
	content []byte
}

// filesOf unpacks an image as a node does.
func filesOf(t *testing.T, img v1.Image) []content {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var files []content
	for _, layer := range layers {
		archive, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		defer archive.Close()
		r := tar.NewReader(archive)
		for {
			header, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, content{header, body})
		}
	}
	return files
}
