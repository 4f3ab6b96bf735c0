package connectivity_test

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/podcullis/podcullis/cluster/clustertest"
)

const (
	other = "app=other " + hole // the hole under labels that nobody has
	p0    = "shop/Pod/p0"
)

// Claims that nobody should believe, beside those that lead nowhere.
var forged = map[string]deltaCase{
	"ABarePod": {
		set:  objectsOf(podOf("shop/p0", other)),
		want: []string{p0 + reachesDB},
	},
	"APodWithTheLabelsAndNoOwner": {
		set:  objectsOf(podOf("shop/p0", "app=web hash=1 "+hole)),
		want: []string{p0 + reachesDB},
	},
	"AMadeUpOwner": {
		set:  objectsOf(podOf("shop/p0", other, ofCustom("Widget/w"))),
		want: []string{"shop/Widget/w" + reachesDB},
	},
	"AMadeUpOwnerOfTheOperator": {
		operator: true,
		set:      objectsOf(podOf("shop/p0", other, ofCustom("Widget/w"))),
		want:     []string{"shop/Widget/w" + reachesDB},
	},
	"AConfigMap": {
		set:  objectsOf(podOf("shop/p0", "app=web "+hole, owned{"v1", "ConfigMap", "anchor", "x", false})),
		want: []string{"shop/ConfigMap/anchor" + reachesDB},
	},
	"AWrongUID": {
		set:  objectsOf(podOf("shop/p0", "app=web hash=1 "+hole, of("ReplicaSet/web-1").withUID("x"))),
		want: []string{p0 + reachesDB},
	},
	"NoUID": {
		set:  objectsOf(podOf("shop/p0", "app=web hash=1 "+hole, of("ReplicaSet/web-1").withUID(""))),
		want: []string{p0 + reachesDB},
	},
	"AWrongGroup": {
		set:  objectsOf(podOf("shop/p0", "app=web hash=1 "+hole, of("ReplicaSet/web-1").group("extensions"))),
		want: []string{"shop/ReplicaSet.extensions/web-1" + reachesDB},
	},
	"AGroupThatDoesNotExist": {
		set:  objectsOf(podOf("shop/p0", "app=web "+hole, of("Deployment/web").group("evil.example"))),
		want: []string{"shop/Deployment.evil.example/web" + reachesDB},
	},
	"ANode": {
		set:  objectsOf(podOf("shop/p0", other, owned{"v1", "Node", "n1", "n1", false})),
		want: []string{p0 + reachesDB},
	},
	"APod": {
		set:  objectsOf(podOf("shop/p0", other, owned{"v1", "Pod", "web-1-a", "Pod/web-1-a", false})),
		want: []string{p0 + reachesDB},
	},
	"RightUIDAndOtherLabels": {
		set:  objectsOf(podOf("shop/p0", other, of("ReplicaSet/web-1"))),
		want: []string{p0 + reachesDB},
	},
	"RightUIDAndTheHoleBesides": {
		set:  objectsOf(podOf("shop/p0", "app=front hash=1 "+hole, of("ReplicaSet/front-1"))),
		want: []string{"shop/Deployment/front" + reachesDB},
	},
	"SomebodysCustomResource": {
		set:  objectsOf(podOf("shop/p0", "app=pg "+hole, pgCluster)),
		want: []string{"shop/PgCluster/pg" + reachesDB},
	},
	"SomebodysCustomResourceOtherUID": {
		operator: true,
		set:      objectsOf(podOf("shop/p0", "app=pg "+hole, pgCluster.withUID("x"))),
		want:     []string{"shop/PgCluster/pg" + reachesDB},
	},
	"ACustomResourceOfNoSuchPods": {
		operator: true,
		set:      objectsOf(podOf("shop/p0", "app=redis "+hole, ofCustom("Redis/redis"))),
		want:     []string{"shop/Redis/redis" + reachesDB},
	},
	"LabelsAndClaimTogether": {
		set:  objectsOf(podOf("shop/redis-1", "app=pg "+hole, pgCluster)),
		want: []string{"shop/PgCluster/pg" + reachesDB},
	},
	"LabelsAndClaimTogetherByTheOperator": {
		operator: true,
		set:      objectsOf(podOf("shop/redis-1", "app=pg "+hole, pgCluster)),
	},
	"TwoStepsTheClaim": {set: objectsOf(podOf("shop/redis-1", "app=redis tier=frontend", pgCluster))},
	"TwoStepsThenTheLabels": {
		had:  objectsOf(podOf("shop/redis-1", "app=redis tier=frontend", pgCluster)),
		set:  objectsOf(podOf("shop/redis-1", "app=redis "+hole, pgCluster)),
		want: []string{"shop/PgCluster/pg" + reachesDB},
	},
	"LabelsAndClaimOfASetInTheModel": {set: objectsOf(podOf("shop/redis-1", "app=web hash=1 "+hole, of("ReplicaSet/web-1")))},
	"LabelsAndClaimShutBefore": {
		had:  objectsOf(podOf("shop/p0", "app=x access=db")),
		set:  objectsOf(podOf("shop/p0", "app=front hash=1 "+hole, of("ReplicaSet/front-1"))),
		want: []string{"shop/Deployment/front" + reachesDB},
	},
	"AnOwnerThatIsGone": {
		set:  objectsOf(podOf("shop/p0", "app=sts "+hole, of("StatefulSet/sts"))),
		del:  objectsOf(maker("StatefulSet", "shop/sts", "")),
		want: []string{"shop/StatefulSet/sts" + reachesDB},
	},
	"AnOwnerThatWasGoneBefore": {
		lacks: objectsOf(maker("StatefulSet", "shop/sts", "")),
		set:   objectsOf(podOf("shop/p0", "app=sts "+hole, of("StatefulSet/sts"))),
		want:  []string{"shop/StatefulSet/sts" + reachesDB},
	},
	"ACronJobWithoutLabels": {
		set:  objectsOf(podOf("shop/p0", other, of("CronJob/bare"))),
		want: []string{p0 + reachesDB},
	},
	"ACronJobWithoutLabelsOfNoGroup": {
		set:  objectsOf(podOf("shop/p0", other, of("CronJob/bare").group("evil.example"))),
		want: []string{"shop/CronJob.evil.example/bare" + reachesDB},
	},
	"AJobOfACronJobWithoutLabels": {
		set:  objectsOf(maker("Job", "shop/j", other, of("CronJob/bare"))),
		want: []string{"shop/CronJob/bare" + reachesDB},
	},
	"ACronJobOnThePodItself": {
		set:  objectsOf(podOf("shop/p0", "app=cron "+hole, of("CronJob/cron"))),
		want: []string{p0 + reachesDB},
	},
	"TheDatabasesLabelsAndItsController": {
		had:  objectsOf(dbsAmongThemselves),
		set:  objectsOf(podOf("shop/db-1", "app=db tier=frontend", of("StatefulSet/db"))),
		want: []string{"shop/StatefulSet/db" + reachesDB},
	},
	"TwoOwnersThatBothHold": {
		had:  objectsOf(maker("Deployment", "shop/web2", "app=web "+hole)),
		set:  objectsOf(maker("ReplicaSet", "shop/two", "app=web hash=3 "+hole, of("Deployment/web").noController(), of("Deployment/web2").noController())),
		want: []string{"shop/ReplicaSet/two" + reachesDB},
	},
	"TwoOwnersOneHolds": {
		set: objectsOf(maker("ReplicaSet", "shop/two", "app=web hash=3 "+hole, of("Deployment/web").noController(), of("Deployment/front").noController())),
	},
	"TwoOwnersOneIsTheController": {
		set:  objectsOf(maker("ReplicaSet", "shop/two", "app=web hash=3 "+hole, of("Deployment/web").noController(), of("Deployment/front"))),
		want: []string{"shop/ReplicaSet/two" + reachesDB},
	},
	"ACustomResourceThatIsNoController": {
		operator: true,
		set:      objectsOf(podOf("shop/p0", "app=pg "+hole, pgCluster.noController())),
		want:     []string{p0 + reachesDB},
	},
}

// Idle and other templates: they are judged when they are written.
var templates = map[string]deltaCase{
	"AnIdleSetOfAMadeUpController": {
		set:  objectsOf(idle(maker("ReplicaSet", "shop/rs", other, owned{"v1", "ConfigMap", "anchor", "x", false}))),
		want: []string{"shop/ConfigMap/anchor" + reachesDB},
	},
	"AnIdleSetOfADeploymentThatIsGone": {
		set:  objectsOf(idle(maker("ReplicaSet", "shop/rs", other, of("Deployment/ghost")))),
		want: []string{"shop/ReplicaSet/rs" + reachesDB},
	},
	"AnIdleSetWithOneLabelMore": {
		set:  objectsOf(idle(maker("ReplicaSet", "shop/rs", "app=front hash=2 "+hole, of("Deployment/front")))),
		want: []string{"shop/Deployment/front" + reachesDB},
	},
	"AnIdleSetOfTheRealController": {
		set: objectsOf(idle(maker("ReplicaSet", "shop/rs", "app=front hash=2 tier=frontend", of("Deployment/front")))),
	},
	"AnIdleSetOfNobody": {
		set:  objectsOf(idle(maker("ReplicaSet", "shop/rs", other))),
		want: []string{"shop/ReplicaSet/rs" + reachesDB},
	},
	"ASetClaimsACustomResource": {
		set:  objectsOf(idle(maker("ReplicaSet", "shop/rs", other, pgCluster))),
		want: []string{"shop/PgCluster/pg" + reachesDB},
	},
	"ASetClaimsSomebodysRollout": {
		set:  objectsOf(idle(maker("ReplicaSet", "shop/rs", other, rollout))),
		want: []string{"shop/Rollout/roll" + reachesDB},
	},
	"ASetClaimsAStatefulSet": {
		set:  objectsOf(idle(maker("ReplicaSet", "shop/rs", "app=sts "+hole, of("StatefulSet/sts")))),
		want: []string{"shop/ReplicaSet/rs" + reachesDB},
	},
	"ADeploymentClaimsACustomResource": {
		operator: true,
		set:      objectsOf(maker("Deployment", "shop/d", "app=pg "+hole, pgCluster)),
		want:     []string{"shop/Deployment/d" + reachesDB},
	},
	"ASuspendedJob": {
		set:  objectsOf(maker("Job", "shop/j", "job=j "+hole)),
		want: []string{"shop/Job/j" + reachesDB},
	},
	"AReplicationController": {
		set:  objectsOf(maker("ReplicationController", "shop/r", other)),
		want: []string{"shop/ReplicationController/r" + reachesDB},
	},
	"ATemplateTakesADriftedPodsLabel": {
		had:  objectsOf(podOf("shop/front-1-b", "app=front hash=1 "+hole, of("ReplicaSet/front-1"))),
		set:  objectsOf(maker("Deployment", "shop/front", "app=front "+hole)),
		want: []string{"shop/Deployment/front" + reachesDB},
	},
	"ASetTakesADriftedPodsLabel": {
		had:  objectsOf(podOf("shop/front-1-b", "app=front hash=1 "+hole, of("ReplicaSet/front-1"))),
		set:  objectsOf(maker("ReplicaSet", "shop/front-1", "app=front hash=1 "+hole, of("Deployment/front"))),
		want: []string{"shop/Deployment/front" + reachesDB},
	},
	"ATemplateOnTheHostNetwork": {
		set:  objectsOf(shapedMaker("Deployment", "shop/front", "app=front tier=frontend", shape{hostNetwork: true})),
		want: []string{"shop/Deployment/front" + reachesDB, "shop/Deployment/front -> shop/StatefulSet/db TCP 80"},
	},
	"ASetOfTheRealControllerOnTheHostNetwork": {
		set:  objectsOf(idle(shapedMaker("ReplicaSet", "shop/rs", "app=front hash=2 tier=frontend", shape{hostNetwork: true}, of("Deployment/front")))),
		want: []string{"shop/Deployment/front" + reachesDB, "shop/Deployment/front -> shop/StatefulSet/db TCP 80"},
	},
	"AStatefulSetWithAnotherUID": {
		set: objectsOf(reborn(maker("StatefulSet", "shop/sts", "app=sts "+hole).(*appsv1.StatefulSet))),
	},
	"AStatefulSetUnderItsOldName": {
		lacks: objectsOf(maker("StatefulSet", "shop/sts", "")),
		set:   objectsOf(maker("StatefulSet", "shop/sts", "app=sts "+hole)),
		want:  []string{"shop/StatefulSet/sts" + reachesDB},
	},
	"ASetChangesItsLabelsAndItsOwner": {
		had: objectsOf(maker("ReplicaSet", "shop/rs", other)),
		set: objectsOf(maker("ReplicaSet", "shop/rs", "app=front hash=7 "+hole, of("Deployment/front"))),
	},
	"ASetChangesItsMeaningAndItsOwner": {
		had:  objectsOf(maker("ReplicaSet", "shop/rs", other), clustertest.Netpol("shop/x", `{podSelector: {matchLabels: {app: other}}}`)),
		set:  objectsOf(maker("ReplicaSet", "shop/rs", "app=front hash=7 "+hole, of("Deployment/front"))),
		want: []string{"shop/Deployment/front" + reachesDB},
	},
	"APodChangesItsMeaningAndItsOwner": {
		had:  objectsOf(podOf("shop/p0", other), clustertest.Netpol("shop/x", `{podSelector: {matchLabels: {app: other}}}`)),
		set:  objectsOf(podOf("shop/p0", "app=front hash=1 "+hole, of("ReplicaSet/front-1"))),
		want: []string{"shop/Deployment/front" + reachesDB},
	},
	"ADriftedPodsSiblingLearnsItsLabel": {
		had: objectsOf(podOf("shop/front-1-b", "app=front hash=1 "+hole, of("ReplicaSet/front-1"))),
		set: objectsOf(podOf("shop/front-1-a", "app=front hash=1 "+hole, of("ReplicaSet/front-1"))),
	},
}

// frontsReach are the paths of every frontend to the db on a port.
func frontsReach(port string) []string {
	var out []string
	for _, front := range []string{"CronJob/cron", "DaemonSet/ds", "Deployment/front", "Deployment/web", "Job/job", "PgCluster/pg", "Redis/redis", "ReplicationController/rc", "Rollout/roll", "StatefulSet/sts"} {
		out = append(out, "shop/"+front+" -> shop/StatefulSet/db TCP "+port)
	}
	return out
}

// Labels, namespaces and netpols that change.
var relabelled = map[string]deltaCase{
	"APodIntoTheForbiddenSet": {
		set:  objectsOf(podOf("shop/back-1-a", "app=back hash=1 "+hole, of("ReplicaSet/back-1"))),
		want: []string{"shop/Deployment/back" + reachesDB},
	},
	"ATemplateIntoTheForbiddenSet": {
		set:  objectsOf(maker("Deployment", "shop/back", "app=back "+hole)),
		want: []string{"shop/Deployment/back" + reachesDB},
	},
	"ANewPodInTheForbiddenSet": {
		set:  objectsOf(podOf("shop/z", "app=back hash=1 "+hole, of("ReplicaSet/back-1"))),
		want: []string{"shop/Deployment/back" + reachesDB},
	},
	"APodGetsThePath": {
		set:  objectsOf(podOf("shop/front-1-a", "app=front hash=1 "+hole, of("ReplicaSet/front-1"))),
		want: []string{"shop/Deployment/front" + reachesDB},
	},
	"APodOutOfTheQuestion": {
		set:  objectsOf(podOf("shop/front-1-a", "app=front hash=1 access=db", of("ReplicaSet/front-1"))),
		want: []string{"shop/Pod/front-1-a" + reachesDB},
	},
	"APodOutOfTheQuestionTwoSteps": {
		had:  objectsOf(podOf("shop/front-1-a", "app=front hash=1", of("ReplicaSet/front-1"))),
		set:  objectsOf(podOf("shop/front-1-a", "app=front hash=1 access=db", of("ReplicaSet/front-1"))),
		want: []string{"shop/Pod/front-1-a" + reachesDB},
	},
	"ATemplateOutOfTheQuestion": {
		set:  objectsOf(maker("Deployment", "shop/front", "app=front access=db")),
		want: []string{"shop/Deployment/front" + reachesDB},
	},
	"ANamespaceIntoTheForbiddenSet": {
		ask:  &fromOpsToDB,
		had:  objectsOf(opsIntoDB, clustertest.Namespace("ops"), podOf("ops/p", "a=b")),
		set:  objectsOf(clustertest.Namespace("ops", "team=ops")),
		want: []string{"ops/Pod/p" + reachesDB},
	},
	"ANamespaceOutOfTheQuestion": {
		ask:  &fromOpsToDB,
		had:  objectsOf(gateIntoDB, podOf("ops/p", "a=b")),
		set:  objectsOf(clustertest.Namespace("ops", "gate=open")),
		want: []string{"ops/Pod/p" + reachesDB},
	},
	"TheNetpolOfTheDBGoes": {
		del:  objectsOf(clustertest.Netpol("shop/db", "")),
		want: append(frontsReach("80"), "shop/Deployment/front"+reachesDB, "shop/Redis/redis"+reachesDB),
	},
	"ADriftedPodAndTheNetpolOfTheOthers": {
		had: objectsOf(dbForFronts, podOf("shop/front-1-b", "app=front hash=1 debug=1 tier=frontend", of("ReplicaSet/front-1")), lockNoDebug),
		del: objectsOf(lockNoDebug), want: frontsReach("5432"),
	},
	"APodOfTheDBWithAPortThatARuleNames": {
		had:  objectsOf(adminPort),
		set:  objectsOf(shapedPod("shop/db-1", "app=db", shape{ports: []corev1.ContainerPort{{Name: "admin", ContainerPort: 80}}}, of("StatefulSet/db"))),
		want: frontsReach("80"),
	},
	"APodOfTheDBWithAPortThatNoRuleNames": {
		set: objectsOf(shapedPod("shop/db-1", "app=db", shape{ports: []corev1.ContainerPort{{Name: "admin", ContainerPort: 80}}}, of("StatefulSet/db"))),
	},
	"ATemplateLeavesASideItsPodsAreOn": {
		ask:  &toFronts,
		had:  objectsOf(lockFronts),
		set:  objectsOf(maker("Deployment", "shop/front", "app=front tier=back")),
		want: []string{"shop/Deployment/front -> shop/Deployment/front TCP 5432", "shop/Deployment/front -> shop/Deployment/front TCP 80"},
	},
	"ANetpolThatChangesNothing": {
		set: objectsOf(clustertest.Netpol("shop/db", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {access: db}}}, {podSelector: {matchLabels: {access: nobody}}}], ports: [{port: 5432}]}]}`)),
	},
}

var (
	dbsAmongThemselves = clustertest.Netpol("shop/among", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]}`)
	opsIntoDB          = clustertest.Netpol("shop/ops", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}}], ports: [{port: 5432}]}]}`)
	gateIntoDB         = clustertest.Netpol("shop/gate", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {gate: open}}}], ports: [{port: 5432}]}]}`)
	dbForFronts        = clustertest.Netpol("shop/fronts", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {tier: frontend}}}], ports: [{port: 5432}]}]}`)
	adminPort          = clustertest.Netpol("shop/admin", `{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: admin}]}]}`)
	toFronts           = question{from: podsWith("app=front tier=frontend"), to: podsWith("app=front"), probes: noFrontendToDB.probes}
	lockFronts         = clustertest.Netpol("shop/fronts", `{podSelector: {matchLabels: {app: front, tier: frontend}}}`)
	lockNoDebug        = clustertest.Netpol("shop/lock", `{podSelector: {matchExpressions: [{key: debug, operator: DoesNotExist}, {key: app, operator: NotIn, values: [db]}]}, policyTypes: [Egress]}`)
)
