package manifest

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
)

// alike tells whether two documents say the same word for word, in whatever order.
func alike(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// maxTwice is how many objects that two directories both define are named one by
// one: two variants of a whole application are one mistake.
const maxTwice = 2

// pair is two directories that define the same.
type pair struct{ first, again string }

// again are the objects of a pair that are not named.
type again struct {
	pair
	at    Location
	count int
}

// twice refuses an object that is there already, and differs.
func (l *loader) twice(d document, o, first *Object, generated bool) {
	e := &Error{Location: d.at, Object: title(o.Kind, o.Namespace, o.Name)}
	if generated {
		e.Reason = fmt.Sprintf("its generateName is that of the one at %s: give them names", first.Location)
		l.errs = append(l.errs, e)
		return
	}
	e.Reason = fmt.Sprintf("defined twice, first at %s, and not alike", first.Location)
	p := pair{filepath.Dir(first.Location.File), filepath.Dir(d.at.File)}
	for i := range l.again {
		if a := &l.again[i]; a.pair == p {
			if a.count++; a.count <= maxTwice {
				l.errs = append(l.errs, e)
			}
			return
		}
	}
	l.again = append(l.again, again{pair: p, at: Location{File: p.again}, count: 1})
	l.errs = append(l.errs, e)
}

// variants sums up the directories that define the same.
func (l *loader) variants() {
	for _, a := range l.again {
		if a.count <= maxTwice {
			continue
		}
		where := "and in " + a.first
		if a.first == a.again {
			where = "more than once"
		}
		l.fail(a.at, "%d objects are defined here %s, and not alike: variants of one application? Name one of them, or leave the other out with --exclude", a.count, where)
	}
}
