package connectivity_test

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podcullis/podcullis/cluster/clustertest"
)

// What must pass in a cluster that is full of old holes.
var mustPass = map[string]deltaCase{
	"ADrainTakesAPod":             {del: objectsOf(podOf("shop/web-1-a", ""))},
	"ADrainAndTheNextPodOfTheSet": {set: objectsOf(podOf("shop/web-1-b", "app=web hash=1 "+hole, of("ReplicaSet/web-1")))},
	"ADrainAndTheNextPodOfTheRC":  {set: objectsOf(podOf("shop/rc-1", "app=rc "+hole, of("ReplicationController/rc")))},
	"ScaleFromZero": {
		had:   objectsOf(idle(maker("ReplicaSet", "shop/web-1", "app=web hash=1 "+hole, of("Deployment/web")))),
		lacks: objectsOf(podOf("shop/web-1-a", "")),
		set:   objectsOf(podOf("shop/web-1-b", "app=web hash=1 "+hole, of("ReplicaSet/web-1"))),
	},
	"ImageUpdateTheNextReplicaSet": {
		set: objectsOf(idle(maker("ReplicaSet", "shop/web-2", "app=web hash=2 "+hole, of("Deployment/web")))),
	},
	"ImageUpdateItsPods": {
		had: objectsOf(maker("ReplicaSet", "shop/web-2", "app=web hash=2 "+hole, of("Deployment/web"))),
		set: objectsOf(podOf("shop/web-2-a", "app=web hash=2 "+hole, of("ReplicaSet/web-2"))),
	},
	"LabelBumpTheTemplate": {set: objectsOf(maker("Deployment", "shop/web", "app=web version=2 "+hole))},
	"LabelBumpTheNextReplicaSet": {
		had: objectsOf(maker("Deployment", "shop/web", "app=web version=2 "+hole)),
		set: objectsOf(maker("ReplicaSet", "shop/web-2", "app=web version=2 hash=2 "+hole, of("Deployment/web"))),
	},
	"LabelBumpItsPods": {
		had: objectsOf(maker("Deployment", "shop/web", "app=web version=2 "+hole), maker("ReplicaSet", "shop/web-2", "app=web version=2 hash=2 "+hole, of("Deployment/web"))),
		set: objectsOf(podOf("shop/web-2-a", "app=web version=2 hash=2 "+hole, of("ReplicaSet/web-2"))),
	},
	"LabelBumpAPodOfTheOldRevision": {
		had: objectsOf(maker("Deployment", "shop/web", "app=web version=2 "+hole), maker("ReplicaSet", "shop/web-2", "app=web version=2 hash=2 "+hole, of("Deployment/web"))),
		set: objectsOf(podOf("shop/web-1-b", "app=web hash=1 "+hole, of("ReplicaSet/web-1"))),
	},
	"RollbackTheTemplate": {
		had: objectsOf(maker("Deployment", "shop/web", "app=web"), maker("ReplicaSet", "shop/web-2", "app=web hash=2", of("Deployment/web"))),
		set: objectsOf(maker("Deployment", "shop/web", "app=web "+hole)),
	},
	"RollbackTheOldReplicaSetsPods": {
		had: objectsOf(maker("Deployment", "shop/web", "app=web"), idle(maker("ReplicaSet", "shop/web-1", "app=web hash=1 "+hole, of("Deployment/web")))),
		set: objectsOf(podOf("shop/web-1-b", "app=web hash=1 "+hole, of("ReplicaSet/web-1"))),
	},
	"AStatefulSetBelowItsPartition": {
		had:   objectsOf(maker("StatefulSet", "shop/sts", "app=sts version=2 "+hole)),
		lacks: objectsOf(podOf("shop/sts-0", "")),
		set:   objectsOf(podOf("shop/sts-1", "app=sts "+hole, of("StatefulSet/sts"))),
	},
	"RolloutRestart": {
		set: objectsOf(maker("Deployment", "shop/web", "app=web "+hole), maker("ReplicaSet", "shop/web-2", "app=web hash=2 "+hole, of("Deployment/web"))),
	},
	"DaemonSetUpdateTheTemplate": {set: objectsOf(maker("DaemonSet", "shop/ds", "app=ds version=2 "+hole))},
	"DaemonSetUpdateTheNextPod": {
		had: objectsOf(maker("DaemonSet", "shop/ds", "app=ds version=2 "+hole)),
		set: objectsOf(podOf("shop/ds-1", "app=ds version=2 "+hole, of("DaemonSet/ds"))),
	},
	"DaemonSetUpdateAPodOfTheOld": {
		had: objectsOf(maker("DaemonSet", "shop/ds", "app=ds version=2 "+hole)),
		set: objectsOf(podOf("shop/ds-1", "app=ds "+hole, of("DaemonSet/ds"))),
	},
	"JobRetry":         {set: objectsOf(podOf("shop/job-b", "job=job "+hole, of("Job/job")))},
	"IndexedJob":       {set: objectsOf(podOf("shop/job-1", "job=job index=1 "+hole, of("Job/job")))},
	"CronJobRunTheJob": {set: objectsOf(maker("Job", "shop/cron-2", "job=2 app=cron "+hole, of("CronJob/cron")))},
	"CronJobRunItsPod": {
		had: objectsOf(maker("Job", "shop/cron-2", "job=2 app=cron "+hole, of("CronJob/cron"))),
		set: objectsOf(podOf("shop/cron-2-a", "job=2 app=cron "+hole, of("Job/cron-2"))),
	},
	"CreateJobFromCronJob": {
		set: objectsOf(maker("Job", "shop/manual", "job=m app=cron "+hole, of("CronJob/cron").noController())),
	},
	"CreateJobFromCronJobItsPod": {
		had: objectsOf(maker("Job", "shop/manual", "job=m app=cron "+hole, of("CronJob/cron").noController())),
		set: objectsOf(podOf("shop/manual-a", "job=m app=cron "+hole, of("Job/manual"))),
	},
	"FailoverPromoteFirst": {
		had:      objectsOf(podOf("shop/pg-2", "app=pg role=replica", pgCluster)),
		operator: true,
		set:      objectsOf(podOf("shop/pg-2", "app=pg "+hole, pgCluster)),
	},
	"FailoverOfAStatefulSet": {
		had: objectsOf(maker("StatefulSet", "shop/sts", "app=sts"), podOf("shop/sts-1", "app=sts role=replica", of("StatefulSet/sts"))),
		set: objectsOf(podOf("shop/sts-1", "app=sts "+hole, of("StatefulSet/sts"))),
	},
	"AnotherPodOfAnOperator": {
		operator: true,
		set:      objectsOf(podOf("shop/pg-2", "app=pg "+hole, pgCluster)),
	},
	"AnOperatorRollsWithOtherLabels": {
		operator: true,
		set:      objectsOf(podOf("shop/pg-2", "app=pg revision=2 "+hole, pgCluster)),
	},
	"NodeLoss": {del: objectsOf(podOf("shop/web-1-a", ""), podOf("shop/sts-0", ""), podOf("shop/pg-1", ""))},
	"AnAddressInsideABlock": {
		ask: &fromOpsToDB,
		had: objectsOf(podOf("ops/job", "a=b"), blockIntoDB),
		set: objectsOf(at("10.0.0.1", podOf("ops/job", "a=b"))),
	},
	"AnAddressOfAPodOfADeployment": {
		set: objectsOf(at("10.0.0.1", podOf("shop/web-1-a", "app=web hash=1 "+hole, of("ReplicaSet/web-1")))),
	},
	"CascadeOrphanTheReplicaSet": {
		set: objectsOf(maker("ReplicaSet", "shop/web-1", "app=web hash=1 "+hole)),
		del: objectsOf(maker("Deployment", "shop/web", "")),
	},
	"CascadeOrphanThePod": {set: objectsOf(podOf("shop/web-1-a", "app=web hash=1 "+hole))},
	"Adoption": {
		had: objectsOf(podOf("shop/lost", "app=web hash=1 "+hole)),
		set: objectsOf(podOf("shop/lost", "app=web hash=1 "+hole, of("ReplicaSet/web-1"))),
	},
	"AdoptionOfAReplicaSet": {
		had: objectsOf(maker("ReplicaSet", "shop/lost", "app=web hash=9 "+hole)),
		set: objectsOf(maker("ReplicaSet", "shop/lost", "app=web hash=9 "+hole, of("Deployment/web"))),
	},
	"AdoptionUnderANewUID": {
		had: objectsOf(maker("StatefulSet", "shop/sts", "app=sts "+hole)),
		set: objectsOf(podOf("shop/sts-0", "app=sts "+hole, of("StatefulSet/sts").withUID("again"))),
	},
	"QuarantineByALabel": {
		set: objectsOf(podOf("shop/web-1-a", "app=quarantine hash=1 "+hole, of("ReplicaSet/web-1"))),
	},
	"QuarantineTheSetLetsGo": {
		had: objectsOf(podOf("shop/web-1-a", "app=quarantine hash=1 "+hole, of("ReplicaSet/web-1"))),
		set: objectsOf(podOf("shop/web-1-a", "app=quarantine hash=1 "+hole)),
	},
	"QuarantineTheNextPod": {
		had: objectsOf(podOf("shop/web-1-a", "app=quarantine hash=1 "+hole)),
		set: objectsOf(podOf("shop/web-1-b", "app=web hash=1 "+hole, of("ReplicaSet/web-1"))),
	},
	"SidecarInjection": {
		had: objectsOf(meshNetpol),
		set: objectsOf(shapedPod("shop/web-1-b", "app=web hash=1 sidecar=yes "+hole, shape{ports: meshPorts(15090)}, of("ReplicaSet/web-1"))),
	},
	"SidecarInjectionItsUpgrade": {
		had: objectsOf(meshNetpol, shapedPod("shop/web-1-a", "app=web hash=1 sidecar=yes "+hole, shape{ports: meshPorts(15090)}, of("ReplicaSet/web-1"))),
		set: objectsOf(shapedPod("shop/web-1-b", "app=web hash=1 sidecar=2 "+hole, shape{ports: meshPorts(15020)}, of("ReplicaSet/web-1"))),
	},
	"ArgoRolloutNextRevision": {
		operator: true,
		set:      objectsOf(maker("ReplicaSet", "shop/roll-2", "app=roll hash=2 "+hole, rollout)),
	},
	"ArgoRolloutCanaryLabels": {
		operator: true,
		set:      objectsOf(podOf("shop/roll-1-a", "app=roll hash=1 role=canary "+hole, of("ReplicaSet/roll-1"))),
	},
	"ArgoRolloutPodByKubernetes": {set: objectsOf(podOf("shop/roll-1-b", "app=roll hash=1 "+hole, of("ReplicaSet/roll-1")))},
	"GarbageCollectionOfAnOwner": {set: objectsOf(podOf("shop/pg-1", "app=pg "+hole))},
	"GarbageCollection":          {del: objectsOf(maker("ReplicaSet", "shop/web-1", ""), podOf("shop/web-1-a", ""))},
	"NamespaceDeletion":          {del: objectsOf(clustertest.Namespace("ops"))},
	"AStrangersNetpolMentionsHash": {
		had:      objectsOf(podOf("shop/pg-1", "app=pg hash=1 "+hole, pgCluster), clustertest.Netpol("ops/hash", `{podSelector: {matchLabels: {hash: "1"}}, ingress: [{from: [{podSelector: {matchLabels: {hash: "1"}}}]}]}`)),
		operator: true,
		set:      objectsOf(podOf("shop/pg-2", "app=pg hash=2 "+hole, pgCluster)),
	},
	"APodOfTheSetAndAPodOfTheDB": {
		set: objectsOf(podOf("shop/db-1", "app=db", of("StatefulSet/db")), podOf("shop/web-1-b", "app=web hash=1 "+hole, of("ReplicaSet/web-1"))),
	},
}

// What must pass because somebody was there a while ago.
var passByMemory = map[string]deltaCase{
	"TheOnlyPodOfAnOperator": {
		lacks:    objectsOf(podOf("shop/pg-1", "")),
		gone:     objectsOf(podOf("shop/pg-1", "app=pg "+hole, pgCluster)),
		operator: true,
		set:      objectsOf(podOf("shop/pg-2", "app=pg "+hole, pgCluster)),
	},
	"TheOnlyPodForAStranger": {
		lacks: objectsOf(podOf("shop/pg-1", "")),
		gone:  objectsOf(podOf("shop/pg-1", "app=pg "+hole, pgCluster)),
		set:   objectsOf(podOf("shop/pg-2", "app=pg "+hole, pgCluster)),
		want:  []string{"shop/PgCluster/pg" + reachesDB},
	},
	"FailoverDemoteFirst": {
		had:      objectsOf(podOf("shop/pg-1", "app=pg role=replica", pgCluster), podOf("shop/pg-2", "app=pg role=replica", pgCluster)),
		gone:     objectsOf(podOf("shop/pg-1", "app=pg "+hole, pgCluster)),
		operator: true,
		set:      objectsOf(podOf("shop/pg-2", "app=pg "+hole, pgCluster)),
	},
	"TheOldRevisionOfAStatefulSet": {
		had:   objectsOf(maker("StatefulSet", "shop/sts", "app=sts tier=frontend")),
		lacks: objectsOf(podOf("shop/sts-0", "")),
		gone:  objectsOf(podOf("shop/sts-0", "app=sts "+hole, of("StatefulSet/sts"))),
		set:   objectsOf(reborn(podOf("shop/sts-0", "app=sts "+hole, of("StatefulSet/sts")))),
	},
	"AStatefulSetBesideItsOrphans": {
		had:  objectsOf(podOf("shop/old-0", "app=old "+hole)),
		gone: objectsOf(maker("StatefulSet", "shop/old", "app=old "+hole)),
		set:  objectsOf(maker("StatefulSet", "shop/old", "app=old "+hole)),
	},
	"AStatefulSetBesideItsOrphansGotMore": {
		had:  objectsOf(podOf("shop/old-0", "app=old tier=frontend")),
		gone: objectsOf(maker("StatefulSet", "shop/old", "app=old tier=frontend")),
		set:  objectsOf(maker("StatefulSet", "shop/old", "app=old "+hole)),
		want: []string{"shop/StatefulSet/old" + reachesDB},
	},
}

var (
	fromOpsToDB = question{from: refSelection{namespaces: metav1.LabelSelector{MatchLabels: labelSet("team=ops")}}, to: podsWith("app=db"), probes: noFrontendToDB.probes}
	blockIntoDB = clustertest.Netpol("shop/block", `{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 5432}]}]}`)
	meshNetpol  = clustertest.Netpol("shop/mesh", `{podSelector: {matchLabels: {app: web}}, ingress: [{}, {ports: [{port: metrics}]}]}`)
)

func meshPorts(metrics int32) []corev1.ContainerPort {
	return []corev1.ContainerPort{{Name: "metrics", ContainerPort: metrics}}
}

func at(ip string, p *corev1.Pod) runtime.Object {
	p.Status.PodIPs = []corev1.PodIP{{IP: ip}}
	return p
}
