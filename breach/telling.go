package breach

import (
	"context"
	"time"
)

const (
	// What is reported one by one at most: what goes beyond is counted.
	namedPerSecond = 50
	namedAtOnce    = 1000
	// wordsTime bounds looking for what would mend one.
	wordsTime = 2 * time.Second
)

// report has Tell hear of a breach, worded as admission would word it. To try out what would
// mend it takes longer than to find it, so that it is done beside the next comparisons.
func (w *Watcher) report(ctx context.Context, b Breach) {
	if w.Tell == nil {
		return
	}
	if w.telling == nil {
		w.Tell(b.worded(ctx))
		return
	}
	select {
	case w.telling <- b:
	default: // there is no time for words
		w.Tell(b)
	}
}

func (w *Watcher) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-w.telling:
			w.Tell(b.worded(ctx))
		}
	}
}

func (b Breach) worded(ctx context.Context) Breach {
	ctx, cancel := context.WithTimeout(ctx, wordsTime)
	defer cancel()
	if b.words != nil {
		b.Violation = b.words(ctx)
	}
	return b
}
