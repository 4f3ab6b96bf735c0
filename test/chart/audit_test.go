package chart

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/podcullis/podcullis/doctor"
)

// auditRights adds what an audit needs by its flags.
func auditRights(args, name string, want map[string]string) {
	if !strings.Contains(args, "--audit ") {
		return
	}
	want["in "+namespace+" leases.coordination.k8s.io named "+name+"-audit"] = "get,update"
	for _, n := range doctor.Networks() {
		for _, s := range n.Switches {
			if s.ConfigMap != "" {
				want["configmaps named "+s.ConfigMap] = "get"
			}
		}
	}
	if strings.Contains(args, "--audit-reports=none") {
		return
	}
	if !strings.Contains(args, "--audit-reports=policyreport") {
		want["reports.openreports.io"], want["clusterreports.openreports.io"] = "list,create,patch,delete", "list,create,patch,delete"
	}
	if !strings.Contains(args, "--audit-reports=openreports") {
		want["policyreports.wgpolicyk8s.io"], want["clusterpolicyreports.wgpolicyk8s.io"] = "list,create,patch,delete", "list,create,patch,delete"
	}
	want["/apis/*"] = "get"
	_, owner, _ := strings.Cut(args, "--audit-report-owner=")
	owner, _, _ = strings.Cut(owner, " ")
	want["clusterroles.rbac.authorization.k8s.io named "+owner] = "get"
}

// An audit has its Lease, and no more rights than the kind of its reports takes; without
// one there is neither.
func TestAudit(t *testing.T) {
	for kind, want := range map[string][]string{
		"auto":         {"clusterpolicyreports.wgpolicyk8s.io", "clusterreports.openreports.io", "policyreports.wgpolicyk8s.io", "reports.openreports.io"},
		"openreports":  {"clusterreports.openreports.io", "reports.openreports.io"},
		"policyreport": {"clusterpolicyreports.wgpolicyk8s.io", "policyreports.wgpolicyk8s.io"},
		"none":         nil,
	} {
		t.Run(kind, func(t *testing.T) {
			r := install(t, "{audit: {enabled: true}, report: {kind: "+kind+"}}")
			lease := one[*coordinationv1.Lease](t, r)
			args := one[*appsv1.Deployment](t, r).Spec.Template.Spec.Containers[0].Args
			if !strings.Contains(strings.Join(args, " "), " --audit-lease="+lease.Namespace+"/"+lease.Name+" ") {
				t.Errorf("the Lease is %s, and the server has %q", lease.Name, args)
			}
			rightsAreThoseThatAreUsed(t, r)
			var got []string
			for right := range rightsOf(r, one[*appsv1.Deployment](t, r).Spec.Template.Spec.ServiceAccountName) {
				if strings.Contains(right, "reports.") {
					got = append(got, right)
				}
			}
			if diff := cmp.Diff(want, slices.Sorted(slices.Values(got))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	install(t, "{audit: null, report: null}") // as of a release from before, with --reuse-values
	if r := install(t, ""); len(all[*coordinationv1.Lease](r)) > 0 {
		t.Error("there is a Lease without an audit")
	}
}
