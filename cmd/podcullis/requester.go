package main

import (
	"errors"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
)

// requester is in whose name changes are judged: guardrails such as consistent-labels look at
// who makes one. Without flags it is nobody of whom anything is known.
type requester struct {
	user   string
	groups []string
}

func (a *requester) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.user, "as", "", "the `user` who makes the changes, for guardrails that look at who does; system:serviceaccount:NAMESPACE:NAME for a service account")
	f.StringArrayVar(&a.groups, "as-group", nil, "a `group` of that user; repeatable")
}

func (a *requester) check() error {
	if a.user == "" && len(a.groups) > 0 {
		return hint(errors.New("--as-group: is about the user of --as, which is missing"), "add --as USER")
	}
	return nil
}

// makes says of steps that they are of this user.
func (a *requester) makes(steps []step) {
	for i := range steps {
		steps[i].user = authenticationv1.UserInfo{Username: a.user, Groups: a.groups}
	}
}
