package rounds

import (
	"context"

	"github.com/podcullis/podcullis/cluster"
)

// Source tells of a snapshot what is no violation of a guardrail, and known: of what it could not
// see it tells nothing. It is asked in each round, and must not take long.
type Source func(context.Context, *cluster.Snapshot) []Remark

// Remark is one thing that a Source tells.
type Remark struct {
	// What is one of the words of told.
	What string
	// Object is whom it is about; zero for what is about the cluster, which Subject names.
	Object  cluster.Ref
	Subject string
	Text    string
}

// Words of remarks of which Sources tell, as package report has them.
const (
	notEnforced  = "not-enforced"
	namesNothing = "names-nothing"
	addsNothing  = "adds-nothing"
)

// told are all words of remarks: each has its metric, also while there is none.
func told() []string {
	return []string{choosesNobody, expiredExemption, unmodelledPolicy, notEnforced, namesNothing, addsNothing}
}

// consult adds what the sources tell.
func (r *Rounds) consult(ctx context.Context, f *findings, s *cluster.Snapshot) {
	for _, source := range r.Sources {
		for _, m := range source(ctx, s) {
			f.remark(m.What, m.Object, m.Subject, m.Text)
		}
	}
}
