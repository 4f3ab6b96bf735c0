package manifest

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Why an object makes pods.
const (
	byOperator = "an operator makes pods of it"
	elsewhere  = "what it stands for is elsewhere, and was not read"
	aMachine   = "it runs in a pod"
	asTemplate = "others make pods of it"
	byShape    = "it has containers, and no pod template at spec.template"
	byScale    = "by its spec, it makes pods"
	byName     = "by its name, it makes pods"
)

// makesPods says how an object makes pods that shows no pod template at
// spec.template; empty when, as far as one can see, it makes none.
func makesPods(gk schema.GroupKind, object map[string]any) string {
	spec, _ := object["spec"].(map[string]any)
	known, ok := makersOf[gk.Group][gk.Kind]
	switch {
	case templated[gk]:
		if ref, ok := spec["workloadRef"].(map[string]any); ok {
			return fmt.Sprintf("its pods have the template of %v %v (workloadRef)", ref["kind"], ref["name"])
		}
		return "it has no pod template"
	case ok:
		return known
	case gk.Group == "" && gk.Kind == "PodTemplate":
		return asTemplate
	case ofKubernetes(gk.Group), under(gk.Group, judges), under(gk.Group, clouds):
		return "" // patterns of policies have containers, too, and make no pods
	case makers[gk.Kind] != "":
		return makers[gk.Kind]
	case hasContainers(object, maxSought):
		return byShape
	case scales(spec):
		return byScale
	case slices.ContainsFunc(makerEndings, func(end string) bool { return strings.HasSuffix(gk.Kind, end) }):
		return byName
	}
	return ""
}

// ofKubernetes tells whether an API group is one that comes with Kubernetes and
// holds no other kinds that make pods.
func ofKubernetes(group string) bool {
	if !strings.Contains(group, ".") {
		return true
	}
	switch group {
	case "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apiserver.config.k8s.io", "audit.k8s.io",
		"authentication.k8s.io", "authorization.k8s.io", "autoscaling.k8s.io", "certificates.k8s.io", "coordination.k8s.io",
		"discovery.k8s.io", "events.k8s.io", "flowcontrol.apiserver.k8s.io", "gateway.networking.k8s.io", "kustomize.config.k8s.io",
		"metrics.k8s.io", "networking.k8s.io", "node.k8s.io", "policy.networking.k8s.io", "rbac.authorization.k8s.io",
		"resource.k8s.io", "scheduling.k8s.io", "snapshot.storage.k8s.io", "storage.k8s.io":
		return true
	}
	return false
}

// judges are the API groups of admission controllers, whose kinds show what pods
// should look like; clouds are those whose kinds make machines, or containers that
// run elsewhere.
var (
	judges = []string{"kyverno.io", "gatekeeper.sh", "jspolicy.com", "podcullis.io"}
	clouds = []string{"cluster.x-k8s.io", "machine.openshift.io", "machine.sapcloud.io", "cnrm.cloud.google.com", "services.k8s.aws", "azure.com", "upbound.io", "crossplane.io", "karpenter.sh"}
)

// under tells whether an API group is one of some, or below one.
func under(group string, of []string) bool {
	return slices.ContainsFunc(of, func(g string) bool { return group == g || strings.HasSuffix(group, "."+g) })
}

// scales tells whether a spec says how many there are to be of something that has an
// image or asks for processors and memory.
func scales(spec map[string]any) bool {
	number := slices.ContainsFunc([]string{"replicas", "instances", "size", "nodes", "members", "nodeCount", "replicaCount", "clusterSize"}, func(key string) bool {
		_, ok := spec[key].(int64)
		return ok
	})
	_, image := spec["image"].(string)
	_, imageName := spec["imageName"].(string)
	resources, _ := spec["resources"].(map[string]any)
	return number && (image || imageName || resources["requests"] != nil || resources["limits"] != nil)
}

// maxSought bounds how deep containers are looked for.
const maxSought = 40

// hasContainers looks for something to run anywhere in an object: a list of
// containers, a pod template, or one container with an image.
func hasContainers(value any, depth int) bool {
	if depth == 0 {
		return false
	}
	switch v := value.(type) {
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return hasContainers(e, depth-1) })
	case map[string]any:
		for key, inner := range v {
			if runs(key, inner) || hasContainers(inner, depth-1) {
				return true
			}
		}
	}
	return false
}

func runs(key string, value any) bool {
	switch key {
	case "containers", "initContainers", "steps":
		list, _ := value.([]any)
		return slices.ContainsFunc(list, func(e any) bool {
			c, _ := e.(map[string]any)
			_, image := c["image"].(string)
			_, name := c["name"].(string)
			return image || name && key == "containers"
		})
	case "container":
		c, _ := value.(map[string]any)
		_, image := c["image"].(string)
		return image
	case "podTemplate", "podTemplateSpec", "podSpec", "podMetadata":
		template, _ := value.(map[string]any)
		return template != nil
	}
	return false
}

// makerEndings are what kinds that make pods are commonly called.
var makerEndings = []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "PodSet", "Job", "VirtualMachine", "VirtualMachineInstance"}

// makersOf are kinds that make pods, of names that other groups use for something else,
// and kinds that only look as if they did, with no reason.
var makersOf = map[string]map[string]string{
	"agent.k8s.elastic.co": {"Agent": byOperator},
	"apps.kruise.io":       {"ImagePullJob": "", "ImageListPullJob": "", "NodePodProbe": "", "SidecarSet": "", "WorkloadSpread": "", "PodUnavailableBudget": ""},
	"argoproj.io": {
		"Application": elsewhere, "ApplicationSet": elsewhere, "ArgoCD": byOperator, "EventBus": byOperator, "EventSource": byOperator, "Sensor": byOperator,
		"Workflow": byOperator, "CronWorkflow": byOperator, "AnalysisRun": byOperator, "Experiment": byOperator,
	},
	"kustomize.toolkit.fluxcd.io":     {"Kustomization": elsewhere},
	"fluxcd.controlplane.io":          {"FluxInstance": byOperator, "ResourceSet": elsewhere},
	"fleet.cattle.io":                 {"Bundle": elsewhere, "GitRepo": elsewhere, "HelmOp": elsewhere},
	"catalog.cattle.io":               {"App": elsewhere},
	"helm.cattle.io":                  {"HelmChart": elsewhere, "ProjectHelmChart": elsewhere},
	"k3s.cattle.io":                   {"Addon": elsewhere},
	"kappctrl.k14s.io":                {"App": elsewhere},
	"packaging.carvel.dev":            {"PackageInstall": elsewhere},
	"operators.coreos.com":            {"Subscription": elsewhere, "ClusterServiceVersion": byOperator, "CatalogSource": byOperator},
	"configsync.gke.io":               {"RootSync": elsewhere, "RepoSync": elsewhere},
	"core.oam.dev":                    {"Application": elsewhere},
	"work.open-cluster-management.io": {"ManifestWork": elsewhere},
	"apps.open-cluster-management.io": {"Subscription": elsewhere},
	"work.karmada.io":                 {"Work": elsewhere},
	"addons.cluster.x-k8s.io":         {"HelmChartProxy": elsewhere, "ClusterResourceSet": elsewhere},
	"helm.crossplane.io":              {"Release": elsewhere},
	"kubernetes.crossplane.io":        {"Object": elsewhere},
	"pkg.crossplane.io":               {"Provider": byOperator, "Function": byOperator, "Configuration": elsewhere},
	"template.openshift.io":           {"Template": elsewhere, "TemplateInstance": elsewhere},
	"build.openshift.io":              {"Build": byOperator, "BuildConfig": byOperator},
	"operator.openshift.io":           {"IngressController": byOperator},
	"postgresql.cnpg.io":              {"Cluster": byOperator, "Pooler": byOperator},
	"minio.min.io":                    {"Tenant": byOperator},
	"vault.banzaicloud.com":           {"Vault": byOperator},
	"logging.banzaicloud.io":          {"Logging": byOperator},
	"serving.knative.dev":             {"Revision": byOperator},
	"actions.summerwind.dev":          {"Runner": byOperator, "RunnerSet": byOperator},
	"apps.gitlab.com":                 {"Runner": byOperator, "GitLab": byOperator},
	"tekton.dev":                      {"PipelineRun": byOperator, "TaskRun": byOperator, "CustomRun": byOperator, "Task": asTemplate, "ClusterTask": asTemplate, "Pipeline": asTemplate},
	"triggers.tekton.dev":             {"EventListener": byOperator},
	"camel.apache.org":                {"Integration": byOperator, "Pipe": byOperator, "KameletBinding": byOperator, "Build": byOperator},
	"mlops.seldon.io":                 {"Server": byOperator, "SeldonRuntime": byOperator},
	"install.istio.io":                {"IstioOperator": byOperator},
	"sailoperator.io":                 {"Istio": byOperator, "IstioCNI": byOperator, "ZTunnel": byOperator},
	"volsync.backube":                 {"ReplicationSource": byOperator, "ReplicationDestination": byOperator},
	"policies.kubewarden.io":          {"PolicyServer": byOperator},
	"druid.gardener.cloud":            {"Etcd": byOperator},
	"druid.apache.org":                {"Druid": byOperator},
	"gateway-operator.konghq.com":     {"DataPlane": byOperator, "ControlPlane": byOperator},
	"apps.ray.io":                     {"Cluster": byOperator},
	"app.redislabs.com":               {"RedisEnterpriseCluster": byOperator},
	"k8s.keycloak.org":                {"Keycloak": byOperator, "KeycloakRealmImport": byOperator},
	"core.humio.com":                  {"HumioCluster": byOperator},
	"kubevirt.io":                     {"KubeVirt": byOperator},
	"cdi.kubevirt.io":                 {"CDI": byOperator, "DataVolume": byOperator},
	"airflow.apache.org":              {"Cluster": byOperator},
	"batch.volcano.sh":                {"Job": byOperator},
	"kubeflow.org":                    {"Experiment": byOperator, "Notebook": byOperator},
}

// makers are kinds that make pods, by names that mean this wherever they are found.
var makers = map[string]string{
	// GitOps.
	"HelmRelease": elsewhere,
	// Metrics, logs and traces.
	"Prometheus": byOperator, "PrometheusAgent": byOperator, "Alertmanager": byOperator, "ThanosRuler": byOperator, "Thanos": byOperator, "ThanosQuery": byOperator,
	"VMSingle": byOperator, "VMCluster": byOperator, "VMAgent": byOperator, "VMAlert": byOperator, "VMAlertmanager": byOperator, "VMAuth": byOperator, "VMAnomaly": byOperator,
	"VLogs": byOperator, "VLSingle": byOperator, "VLCluster": byOperator, "VTSingle": byOperator, "VTCluster": byOperator,
	"Grafana": byOperator, "LokiStack": byOperator, "TempoStack": byOperator, "TempoMonolithic": byOperator, "Jaeger": byOperator, "OpenTelemetryCollector": byOperator, "TargetAllocator": byOperator,
	"FluentBit": byOperator, "Fluentd": byOperator, "FluentbitAgent": byOperator, "ClusterLogForwarder": byOperator, "DatadogAgent": byOperator, "DynaKube": byOperator,
	// Messages.
	"Kafka": byOperator, "KafkaNodePool": byOperator, "KafkaConnect": byOperator, "KafkaBridge": byOperator, "KafkaMirrorMaker": byOperator, "KafkaMirrorMaker2": byOperator,
	"KafkaCluster": byOperator, "KRaftController": byOperator, "SchemaRegistry": byOperator, "ControlCenter": byOperator, "KsqlDB": byOperator, "Redpanda": byOperator,
	"RabbitmqCluster": byOperator, "NatsCluster": byOperator, "ActiveMQArtemis": byOperator, "PulsarCluster": byOperator, "Zookeeper": byOperator, "ZookeeperCluster": byOperator,
	// Databases.
	"PgCluster": byOperator, "Pgcluster": byOperator, "PGCluster": byOperator, "PostgresCluster": byOperator, "PostgresqlCluster": byOperator, "PerconaPGCluster": byOperator, "postgresql": byOperator, "Postgresql": byOperator, "Postgres": byOperator, "PostgreSQL": byOperator, "Kubegres": byOperator, "PGAdmin": byOperator,
	"SGCluster": byOperator, "SGShardedCluster": byOperator, "SGDistributedLogs": byOperator,
	"MySQL": byOperator, "MysqlCluster": byOperator, "MySQLCluster": byOperator, "InnoDBCluster": byOperator, "PerconaXtraDBCluster": byOperator, "PerconaServerMySQL": byOperator, "MariaDB": byOperator, "MaxScale": byOperator,
	"MongoDB": byOperator, "MongoDBCommunity": byOperator, "MongoDBMultiCluster": byOperator, "MongoDBOpsManager": byOperator, "PerconaServerMongoDB": byOperator, "FerretDB": byOperator,
	"Redis": byOperator, "RedisCluster": byOperator, "RedisReplication": byOperator, "RedisSentinel": byOperator, "RedisFailover": byOperator, "Valkey": byOperator, "ValkeyCluster": byOperator, "Dragonfly": byOperator, "Memcached": byOperator,
	"CassandraDatacenter": byOperator, "K8ssandraCluster": byOperator, "ScyllaCluster": byOperator, "ScyllaDBDatacenter": byOperator, "ClickHouseInstallation": byOperator, "ClickHouseKeeperInstallation": byOperator, "ClickHouseCluster": byOperator,
	"TidbCluster": byOperator, "TidbMonitor": byOperator, "CrdbCluster": byOperator, "YBCluster": byOperator, "VitessCluster": byOperator, "EtcdCluster": byOperator, "CouchbaseCluster": byOperator, "Neo4jEnterpriseCluster": byOperator, "ArangoDeployment": byOperator,
	"Elasticsearch": byOperator, "Kibana": byOperator, "ApmServer": byOperator, "Beat": byOperator, "Logstash": byOperator, "EnterpriseSearch": byOperator, "ElasticMapsServer": byOperator, "OpenSearchCluster": byOperator, "OpensearchCluster": byOperator, "SolrCloud": byOperator, "Infinispan": byOperator, "Hazelcast": byOperator, "Typesense": byOperator, "QdrantCluster": byOperator, "Milvus": byOperator,
	"CephCluster": byOperator, "CephObjectStore": byOperator, "CephFilesystem": byOperator, "CephNFS": byOperator, "CephRBDMirror": byOperator,
	// Batch, data and machine learning.
	"SparkApplication": byOperator, "ScheduledSparkApplication": byOperator, "SparkCluster": byOperator, "FlinkDeployment": byOperator, "FlinkSessionJob": byOperator, "FlinkCluster": byOperator, "TrinoCluster": byOperator,
	"RayCluster": byOperator, "RayJob": byOperator, "RayService": byOperator, "DaskCluster": byOperator, "MPIJob": byOperator, "PyTorchJob": byOperator, "TFJob": byOperator, "TrainJob": byOperator, "JobSet": byOperator, "LeaderWorkerSet": byOperator, "AppWrapper": byOperator,
	"InferenceService": byOperator, "InferenceGraph": byOperator, "LLMInferenceService": byOperator, "SeldonDeployment": byOperator, "Notebook": byOperator, "NIMService": byOperator,
	// Machines in pods.
	"VirtualMachine": aMachine, "VirtualMachineInstance": aMachine, "VirtualMachineInstanceReplicaSet": aMachine, "VirtualMachinePool": aMachine,
	// Platforms.
	"PodSet": byOperator, "CloneSet": byOperator, "UnitedDeployment": byOperator, "AdvancedCronJob": byOperator, "AdvancedStatefulSet": byOperator, "ScaledJob": byOperator,
	"KnativeServing": byOperator, "KnativeEventing": byOperator, "KnativeKafka": byOperator, "ContainerSource": byOperator, "ApiServerSource": byOperator,
	"RunnerDeployment": byOperator, "AutoscalingRunnerSet": byOperator, "EphemeralRunner": byOperator, "EphemeralRunnerSet": byOperator, "Jenkins": byOperator,
	"CertManager": byOperator, "NginxIngressController": byOperator, "Kong": byOperator, "Keycloak": byOperator, "OpenLibertyApplication": byOperator, "RuntimeComponent": byOperator, "WildFlyServer": byOperator,
	"SpinApp": byOperator, "WasmApplication": byOperator, "DevWorkspace": byOperator, "CheCluster": byOperator, "Sandbox": byOperator,
}
