package breach

import (
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/guardrail"
)

// Found is a violation that an audit found, with the object that it is reported with.
func Found(v guardrail.Violation, o cluster.Object) Breach {
	return Breach{Violation: v, Found: true, By: []Cause{{Ref: o.Ref(), Group: cluster.Change{After: o}.Group()}}}
}
