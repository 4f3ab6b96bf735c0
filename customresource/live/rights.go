package live

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"

	"github.com/podcullis/podcullis/customresource/v1alpha1"
)

// rightsTimeout is for one answer: the API server that asks us waits.
const rightsTimeout = 2 * time.Second

// AccessReviews are Rights by the API server's own answer, asked anew each time.
type AccessReviews struct {
	reviews authorizationclient.SubjectAccessReviewInterface
}

// NewAccessReviews makes AccessReviews.
func NewAccessReviews(config *rest.Config) (*AccessReviews, error) {
	client, err := authorizationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	return &AccessReviews{client.SubjectAccessReviews()}, nil
}

// May implements Rights.
func (a *AccessReviews) May(ctx context.Context, user authenticationv1.UserInfo, verb, resource, namespace, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, rightsTimeout)
	defer cancel()
	extra := map[string]authorizationv1.ExtraValue{}
	for k, v := range user.Extra {
		extra[k] = authorizationv1.ExtraValue(v)
	}
	reply, err := a.reviews.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: v1alpha1.Group, Resource: resource, Namespace: namespace, Name: name},
		User:               user.Username, Groups: user.Groups, UID: user.UID, Extra: extra,
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return reply.Status.Allowed && !reply.Status.Denied, nil
}
