package controlplane

import (
	"context"
	"fmt"
	"time"
)

// awaitInterval is how often a condition is looked at.
const awaitInterval = 50 * time.Millisecond

// Await calls condition until it returns nil. When ctx ends first, the error names what was awaited,
// why ctx ended and what condition said last.
func Await(ctx context.Context, what string, condition func(context.Context) error) error {
	var last error
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil { // an error because ctx ended says nothing
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("await %s: %w; last: %w", what, context.Cause(ctx), last)
		case <-time.After(awaitInterval):
		}
	}
}
