package guardrail

import (
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// questions remembers how questions were read. A guardrail asks the same ones with
// every review: they come from its parameters. It is safe for concurrent use and
// holds a bounded number.
type questions[Q any] struct {
	mu    sync.RWMutex
	known map[int][]*question[Q] // by the hash of the text
	held  int
}

// question is one that was read. Its key is equal for equal questions.
type question[Q any] struct {
	value  ast.Value
	key    string
	parsed Q
}

// maxAsked bounds the questions that are remembered: a guardrail that asks
// something else each time, about the object's own labels say, is read each time.
const maxAsked = 1000

// read parses a question, unless it was asked before.
func (a *questions[Q]) read(t *ast.Term, parse func(*ast.Term) (Q, error)) (*question[Q], error) {
	hash := t.Value.Hash()
	a.mu.RLock()
	for _, q := range a.known[hash] {
		if q.value.Compare(t.Value) == 0 {
			a.mu.RUnlock()
			return q, nil
		}
	}
	a.mu.RUnlock()
	parsed, err := parse(t)
	if err != nil {
		return nil, err
	}
	q := &question[Q]{t.Value, t.String(), parsed}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held < maxAsked {
		if a.known == nil {
			a.known = map[int][]*question[Q]{}
		}
		a.known[hash] = append(a.known[hash], q)
		a.held++
	}
	return q, nil
}

// asking is the questions of one configuration.
type asking struct {
	paths     questions[pathQuestion]
	exposures questions[exposureQuestion]
	entrances questions[entranceQuestion]
	widths    questions[connectivity.WideQuery]
	breadths  questions[connectivity.UnboundedQuery]
}

func (e *evaluation) pathQuestion(t *ast.Term) (*question[pathQuestion], error) {
	return e.world.asking.paths.read(t, parsePathQuestion)
}

// exposureQuestion is that of netpol.exposed.
type exposureQuestion struct {
	which      connectivity.Selection
	directions []cluster.Direction
}

func parseExposureQuestion(t *ast.Term) (q exposureQuestion, err error) {
	var in struct {
		selectorPair
		Directions []string `json:"directions"`
	}
	if err := decodeTerm(t, &in); err != nil {
		return q, err
	}
	if q.which, err = in.selection(); err != nil {
		return q, err
	}
	q.directions, err = parseDirections(in.Directions)
	return q, err
}
