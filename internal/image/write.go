package image

import (
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// refName is the annotation by which tools find an image in a layout by its name.
const refName = "org.opencontainers.image.ref.name"

// WriteLayout writes the image as an OCI image layout
// (https://github.com/opencontainers/image-spec/blob/main/image-layout.md) named tag. What was in
// the folder is gone.
func WriteLayout(folder, tag string, img v1.Image) error {
	ref, err := name.NewTag(tag)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	out, err := layout.Write(folder, empty.Index)
	if err != nil {
		return fmt.Errorf("write image layout %s: %w", folder, err)
	}
	if err := out.AppendImage(img, layout.WithAnnotations(map[string]string{refName: ref.TagStr()})); err != nil {
		return fmt.Errorf("write image layout %s: %w", folder, err)
	}
	return nil
}

// WriteArchive writes the image as one file that "ctr images import", "docker load" and
// "podman load" take, named tag.
func WriteArchive(file, tag string, img v1.Image) error {
	ref, err := name.NewTag(tag)
	if err != nil {
		return err
	}
	if err := tarball.WriteToFile(file, ref, img); err != nil {
		return fmt.Errorf("write image archive %s: %w", file, err)
	}
	return nil
}
