package review

import (
	"testing"

	"go.uber.org/goleak"
)

// Whatever a test starts has ended when all are over.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
