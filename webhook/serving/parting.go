package serving

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// AnswerTimeout is for a caller to take its answer, which fits most buffers on the way.
const AnswerTimeout = 5 * time.Second

// Part answers a caller whose body is not wanted any more, in such a way that the answer
// arrives. A connection that is closed while bytes come is reset, which takes the answer
// away from a caller that has not read it yet: no answer is what failurePolicy Ignore lets
// in. So the rest of the body, up to most bytes of it, is read and dropped: before the
// answer, as long as patience lasts, because who has sent all can use its connection
// again; then after it, as long as the body comes as fast as every body has to.
//
// With most 0 the connection is needed at once, and nothing is read.
func (a *Body) Part(w http.ResponseWriter, patience time.Duration, most int64, answer func()) {
	if patience > 0 {
		n, whole := a.drop(most, patience)
		if whole {
			answer()
			return
		}
		most -= n
	}
	controller := http.NewResponseController(w)
	_ = controller.EnableFullDuplex() // else the server reads on before it writes; tests have none
	w.Header().Set("Connection", "close")
	answer()
	_ = controller.Flush()
	if most > 0 {
		a.drop(most, AnswerTimeout)
	}
}

// drop reads and forgets, for so long at most, and says whether that was all.
func (a *Body) drop(most int64, patience time.Duration) (n int64, whole bool) {
	a.reopen(patience)
	n, err := io.CopyN(io.Discard, a, most)
	a.mu.Lock()
	defer a.mu.Unlock()
	return n, a.done && (err == nil || errors.Is(err, io.EOF))
}

// reopen begins a window for what nobody waits for.
func (a *Body) reopen(patience time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done || errors.Is(a.pushed, ErrEvicted) {
		return
	}
	a.pushed, a.gone = nil, make(chan struct{}) // its connection may still be needed
	a.limit = time.Now().Add(patience)
	_ = a.extendLocked() // what is wrong with the connection the next read says
}
