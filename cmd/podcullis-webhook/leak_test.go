package main

import (
	"testing"

	"go.uber.org/goleak"
)

// Whatever a test starts has ended when all are over, but for the writers of logs: a
// process has one, which ends with it.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/podcullis/podcullis/internal/logline.(*Writer).next"))
}
