package guardrail

import (
	"errors"
	"fmt"
)

// Unanswered collects why objects could not be judged: what is so of many is said once, with
// the first of them.
type Unanswered struct {
	all []*unanswered
}

type unanswered struct {
	subject string
	err     error
	more    int
}

// Add takes in why an object could not be judged; nil is nothing.
func (u *Unanswered) Add(subject string, err error) {
	if err == nil {
		return
	}
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range list.Unwrap() {
			u.Add(subject, one)
		}
		return
	}
	for _, there := range u.all {
		if there.err.Error() == err.Error() {
			if there.subject != subject {
				there.more++
			}
			return
		}
	}
	u.all = append(u.all, &unanswered{subject, err, 0})
}

// Len is how many different reasons there are.
func (u *Unanswered) Len() int { return len(u.all) }

// Err is all of it; nil where there is nothing.
func (u *Unanswered) Err() error {
	var errs []error
	for _, x := range u.all {
		subject := x.subject
		switch {
		case x.more == 1:
			subject += " and 1 other"
		case x.more > 1:
			subject = fmt.Sprintf("%s and %d others", subject, x.more)
		}
		errs = append(errs, fmt.Errorf("%s: %w", subject, x.err))
	}
	return errors.Join(errs...)
}
