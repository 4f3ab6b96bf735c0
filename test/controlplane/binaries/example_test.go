package binaries_test

import (
	"fmt"

	"github.com/podcullis/podcullis/test/controlplane/binaries"
)

// Where the programs belong, whether or not they were built.
func ExampleDir() {
	root, err := binaries.Root(".")
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := binaries.Dir(root)
	if err != nil {
		fmt.Println(err)
		return
	}
	present, err := binaries.Present(dir)
	fmt.Println(dir, present, err)
}
