package scenarios

import (
	"context"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/podcullis/podcullis/cluster"
)

// claims believes whoever makes a step, or does not.
type claims bool

func (c claims) MayActFor(context.Context, authenticationv1.UserInfo, string, cluster.Owner) (allowed bool, right string, err error) {
	return bool(c), "update its status or finalizers", nil
}
