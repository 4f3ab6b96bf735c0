// Command build makes the container image of podcullis-webhook from binaries that were built
// before, without a container engine: an OCI image layout in OUT and, beside it, the archive
// OUT.tar for "ctr images import" and "docker load". It prints the digest.
//
//	go run ./internal/image/build -out bin/podcullis-webhook-image -version v1.2.3 bin/podcullis-webhook
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/podcullis/podcullis/internal/image"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	flags.SetOutput(stderr)
	out := flags.String("out", "bin/podcullis-webhook-image", "the `folder` for the image layout; the archive gets its name and .tar")
	tag := flags.String("tag", "podcullis-webhook:devel", "the `name` of the image")
	version := flags.String("version", "devel", "the version that the labels tell")
	revision := flags.String("revision", "", "the commit that the labels tell")
	created := flags.String("created", "", "when the image says it was made, as RFC 3339; the commit's `time`, say, never now, or no two builds are the same")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	contents := image.Webhook(flags.Args(), *version, *revision)
	if *created != "" {
		var err error
		if contents.Created, err = time.Parse(time.RFC3339, *created); err != nil {
			fmt.Fprintf(stderr, "build: -created: %v\n", err)
			return 2
		}
	}
	digest, err := write(contents, *out, *tag)
	if err != nil {
		fmt.Fprintln(stderr, "build:", err)
		return 1
	}
	fmt.Fprintf(stdout, "%s@%s in %s and %s.tar\n", *tag, digest, *out, *out)
	return 0
}

func write(contents image.Contents, out, tag string) (v1.Hash, error) {
	img, err := image.New(contents)
	if err != nil {
		return v1.Hash{}, err
	}
	if err := image.WriteLayout(out, tag, img); err != nil {
		return v1.Hash{}, err
	}
	if err := image.WriteArchive(out+".tar", tag, img); err != nil {
		return v1.Hash{}, err
	}
	return img.Digest()
}
