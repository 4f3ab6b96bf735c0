package sandbox

import "github.com/open-policy-agent/opa/v1/ast"

// Size is what terms hold, however deep: values, and the bytes of their texts and
// numbers. What is in two places counts twice, as it does for whoever walks it.
type Size struct{ Values, Text int }

// SizeOf measures terms, up to a little more than most. A nil term is nothing.
func SizeOf(most Size, terms ...*ast.Term) Size {
	m := measure{most: most}
	for _, t := range terms {
		if t != nil && m.term(t) {
			break
		}
	}
	return m.sum
}

// measure holds its functions, so that they are made once and not at each level.
type measure struct {
	sum  Size
	most Size
	each func(t *ast.Term) bool
	pair func(k, t *ast.Term) bool
}

// term adds a term, and is true when there is too much.
func (m *measure) term(t *ast.Term) bool {
	m.sum.Values++
	switch v := t.Value.(type) {
	case ast.String:
		m.sum.Text += len(v)
	case ast.Number:
		m.sum.Text += len(v)
	case *ast.Array:
		m.ready()
		v.Until(m.each)
	case ast.Set:
		m.ready()
		v.Until(m.each)
	case ast.Object:
		m.ready()
		v.Until(m.pair)
	}
	return m.sum.Values > m.most.Values || m.sum.Text > m.most.Text
}

func (m *measure) ready() {
	if m.each == nil {
		m.each = m.term
		m.pair = func(k, t *ast.Term) bool { return m.term(k) || m.term(t) }
	}
}
