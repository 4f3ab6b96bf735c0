package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// User is who runs in an image of ours, by number, so that a kubelet can tell that it is not root
// (https://kubernetes.io/docs/concepts/security/pod-security-standards/, "Running as Non-root").
const User = "65532:65532"

// Where things are in an image.
const (
	binFolder = "usr/local/bin"
	caBundle  = "etc/ssl/certs/ca-certificates.crt"
)

// Contents are what an image is made of.
type Contents struct {
	// Binaries are the paths of static ELF binaries of one architecture. The first is the
	// entrypoint; in the image all are in /usr/local/bin.
	Binaries []string
	// Arguments follow the entrypoint, unless whoever runs the image gives others.
	Arguments []string
	// CertificateAuthorities puts the roots that Mozilla trusts where Go and others look for them.
	CertificateAuthorities bool
	// Labels describe the image; org.opencontainers.image.* has the agreed names
	// (https://github.com/opencontainers/image-spec/blob/main/annotations.md). They are annotations
	// of the manifest as well, where registries show them.
	Labels map[string]string
	// Created is when the image says it was made; the zero time is the year 1, which says nothing.
	Created time.Time
}

// New makes an image. Every file of Contents is read before it returns.
func New(c Contents) (v1.Image, error) {
	if len(c.Binaries) == 0 {
		return nil, errors.New("make an image: no binary")
	}
	architecture, err := architectureOf(c.Binaries)
	if err != nil {
		return nil, err
	}
	var layers []v1.Layer
	if c.CertificateAuthorities { // first: it changes more rarely than the binaries
		layers, err = appendLayer(layers, file{path: caBundle, mode: 0o644, content: roots()})
		if err != nil {
			return nil, err
		}
	}
	for _, binary := range c.Binaries {
		content, err := os.ReadFile(binary)
		if err != nil {
			return nil, err
		}
		layers, err = appendLayer(layers, file{path: inImage(binary), mode: 0o755, content: content})
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", binary, err)
		}
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.AppendLayers(base, layers...)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	config.Created = v1.Time{Time: c.Created.UTC()}
	config.Config = v1.Config{
		User:       User,
		Env:        []string{"PATH=/" + binFolder},
		Entrypoint: []string{"/" + inImage(c.Binaries[0])},
		Cmd:        c.Arguments,
		Labels:     maps.Clone(c.Labels),
	}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, err
	}
	if len(c.Labels) == 0 {
		return img, nil
	}
	annotated, ok := mutate.Annotations(img, maps.Clone(c.Labels)).(v1.Image)
	if !ok {
		return nil, errors.New("annotate the image: what comes back is not an image")
	}
	return annotated, nil
}

func inImage(binary string) string { return path.Join(binFolder, filepath.Base(binary)) }

// machines are the architectures images are made for, by their names in the two worlds.
var machines = map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}

// architectureOf returns what the binaries run on, if they run on their own.
func architectureOf(binaries []string) (string, error) {
	var common string
	for _, path := range binaries {
		binary, err := elf.Open(path)
		if err != nil {
			return "", fmt.Errorf("%s is not an ELF binary: %w", path, err)
		}
		architecture, known := machines[binary.Machine]
		dynamic := slices.ContainsFunc(binary.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
		if err := binary.Close(); err != nil {
			return "", err
		}
		switch {
		case !known:
			return "", fmt.Errorf("%s: %s is no machine that images are made for", path, binary.Machine)
		case dynamic:
			return "", fmt.Errorf("%s is linked dynamically, and there are no libraries in the image; build it with CGO_ENABLED=0", path)
		case common != "" && common != architecture:
			return "", fmt.Errorf("%s is for %s, and %s is for %s", path, architecture, binaries[0], common)
		}
		common = architecture
	}
	return common, nil
}

// file is one file of an image.
type file struct {
	path    string // without a leading slash
	mode    int64
	content []byte
}

// appendLayer adds a layer with one file and the folders above it, all root's and without a time.
func appendLayer(layers []v1.Layer, f file) ([]v1.Layer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, folder := range above(f.path) {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, Format: tar.FormatUSTAR}); err != nil {
			return nil, err
		}
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.content)), Format: tar.FormatUSTAR}
	if err := w.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := w.Write(f.content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	return append(layers, layer), err
}

// above lists the folders that hold a file, outermost first.
func above(file string) []string {
	var folders []string
	for folder := path.Dir(file); folder != "."; folder = path.Dir(folder) {
		folders = append(folders, folder)
	}
	slices.Reverse(folders)
	return folders
}
