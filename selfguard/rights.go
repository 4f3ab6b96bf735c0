package selfguard

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
)

// AccessReviews are Rights by the API server's own answer.
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

// MayConfigure implements Rights.
func (a *AccessReviews) MayConfigure(ctx context.Context, user authenticationv1.UserInfo, configuration string) (bool, error) {
	extra := map[string]authorizationv1.ExtraValue{}
	for k, v := range user.Extra {
		extra[k] = authorizationv1.ExtraValue(v)
	}
	reply, err := a.reviews.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: "update", Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations", Name: configuration,
		},
		User: user.Username, Groups: user.Groups, UID: user.UID, Extra: extra,
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return reply.Status.Allowed && !reply.Status.Denied, nil
}
