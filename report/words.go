package report

import (
	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// BecauseText is the reasons of a connection in one line, egress first:
// "egress: shop/web rule 1; ingress: not isolated". Rules count from 1.
func BecauseText(all []connectivity.Because) string { return becauseText(all) }

// ReasonText is one reason, without its direction: "shop/web rule 1".
func ReasonText(r connectivity.Reason) string { return reasonText(r) }

// Title is an object in the words of a message: "NetworkPolicy shop/allow-web".
func Title(r cluster.Ref) string { return title(r) }
