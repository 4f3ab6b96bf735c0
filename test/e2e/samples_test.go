package e2e

const (
	podSpec      = "{containers: [{name: c, image: example.test/c}]}"
	podTemplate  = "{metadata: {labels: {app: NAME}}, spec: " + podSpec + "}"
	workloadSpec = "{selector: {matchLabels: {app: NAME}}, template: " + podTemplate + "}"
)

// kindsOf are the kinds of resources whose subresources have others.
var kindsOf = map[string]string{
	"/pods": "Pod", "/namespaces": "Namespace", "/nodes": "Node", "/services": "Service", "/replicationcontrollers": "ReplicationController", "/serviceaccounts": "ServiceAccount",
	"apps/deployments": "Deployment", "apps/replicasets": "ReplicaSet", "apps/statefulsets": "StatefulSet",
}

// samples are objects, by group and resource, beyond apiVersion, kind and name. What is
// not here needs no more, or is not taken.
var samples = map[string]string{
	"/pods":                                "spec: " + podSpec,
	"/namespaces":                          "{}",
	"/nodes":                               "{}",
	"/configmaps":                          "data: {a: b}",
	"/secrets":                             "data: {}",
	"/serviceaccounts":                     "{}",
	"/services":                            "spec: {selector: {app: NAME}, ports: [{port: 80}]}",
	"/endpoints":                           "subsets: [{addresses: [{ip: 10.9.9.9}], ports: [{port: 80}]}]",
	"/events":                              "{involvedObject: {kind: Pod, namespace: walked, name: x}, reason: x, message: x}",
	"/limitranges":                         "spec: {limits: [{type: PersistentVolumeClaim, max: {storage: 100Gi}}]}",
	"/resourcequotas":                      "spec: {hard: {pods: '1000'}}",
	"/persistentvolumeclaims":              "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}",
	"/persistentvolumes":                   "spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /tmp/x}}",
	"/podtemplates":                        "template: " + podTemplate,
	"/replicationcontrollers":              "spec: {replicas: 1, selector: {app: NAME}, template: " + podTemplate + "}",
	"/bindings":                            "target: {apiVersion: v1, kind: Node, name: node-1}",
	"apps/deployments":                     "spec: " + workloadSpec,
	"apps/statefulsets":                    "spec: " + workloadSpec,
	"apps/daemonsets":                      "spec: " + workloadSpec,
	"apps/replicasets":                     "spec: " + workloadSpec,
	"apps/controllerrevisions":             "{revision: 1, data: {spec: {template: " + podTemplate + "}}}",
	"batch/jobs":                           "spec: {suspend: true, template: {metadata: {labels: {app: NAME}}, spec: {restartPolicy: Never, containers: [{name: c, image: example.test/c}]}}}",
	"batch/cronjobs":                       "spec: {schedule: '0 0 1 1 *', jobTemplate: {spec: {template: {metadata: {labels: {app: NAME}}, spec: {restartPolicy: Never, containers: [{name: c, image: example.test/c}]}}}}}",
	"networking.k8s.io/networkpolicies":    "spec: {podSelector: {matchLabels: {app: NAME}}, ingress: [{}]}",
	"networking.k8s.io/ingresses":          "spec: {defaultBackend: {service: {name: x, port: {number: 80}}}}",
	"networking.k8s.io/ingressclasses":     "spec: {controller: example.test/c}",
	"autoscaling/horizontalpodautoscalers": "spec: {maxReplicas: 1, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: nobody}}",
	"certificates.k8s.io/certificatesigningrequests":               "spec: {request: CSR, signerName: example.test/s, usages: [client auth]}",
	"events.k8s.io/events":                                         "{regarding: {kind: Pod, namespace: walked, name: x}, eventTime: '2026-01-01T00:00:00.000000Z', reason: x, action: x, type: Normal, reportingController: example.test/c, reportingInstance: x}",
	"flowcontrol.apiserver.k8s.io/prioritylevelconfigurations":     "spec: {type: Limited, limited: {limitResponse: {type: Reject}}}",
	"resource.k8s.io/resourceslices":                               "spec: {driver: example.test, nodeName: node-1, pool: {name: x, generation: 1, resourceSliceCount: 1}}",
	"storage.k8s.io/csistoragecapacities":                          "storageClassName: x",
	"storage.k8s.io/volumeattachments":                             "spec: {attacher: example.test, nodeName: node-1, source: {persistentVolumeName: x}}",
	"storage.k8s.io/volumeattributesclasses":                       "{driverName: example.test, parameters: {a: b}}",
	"policy/poddisruptionbudgets":                                  "spec: {minAvailable: 0, selector: {matchLabels: {app: NAME}}}",
	"coordination.k8s.io/leases":                                   "{}",
	"discovery.k8s.io/endpointslices":                              "{addressType: IPv4, endpoints: [{addresses: [10.9.9.9]}]}",
	"rbac.authorization.k8s.io/roles":                              "rules: []",
	"rbac.authorization.k8s.io/clusterroles":                       "rules: []",
	"rbac.authorization.k8s.io/rolebindings":                       "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: x}",
	"scheduling.k8s.io/priorityclasses":                            "value: 1",
	"storage.k8s.io/storageclasses":                                "provisioner: example.test/p",
	"storage.k8s.io/csidrivers":                                    "spec: {}",
	"storage.k8s.io/csinodes":                                      "spec: {drivers: []}",
	"node.k8s.io/runtimeclasses":                                   "handler: x",
	"apiregistration.k8s.io/apiservices":                           "{}",
	"resource.k8s.io/resourceclaims":                               "spec: {}",
	"resource.k8s.io/resourceclaimtemplates":                       "spec: {spec: {}}",
	"resource.k8s.io/deviceclasses":                                "spec: {}",
	"flowcontrol.apiserver.k8s.io/flowschemas":                     "spec: {matchingPrecedence: 9000, priorityLevelConfiguration: {name: exempt}, rules: []}",
	"rbac.authorization.k8s.io/clusterrolebindings":                "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: x}",
	"authorization.k8s.io/selfsubjectaccessreviews":                "spec: {nonResourceAttributes: {path: /, verb: get}}",
	"authorization.k8s.io/subjectaccessreviews":                    "spec: {user: x, nonResourceAttributes: {path: /, verb: get}}",
	"authorization.k8s.io/localsubjectaccessreviews":               "spec: {user: x, resourceAttributes: {namespace: walked, verb: get, resource: pods}}",
	"authorization.k8s.io/selfsubjectrulesreviews":                 "spec: {namespace: walked}",
	"authentication.k8s.io/tokenreviews":                           "spec: {token: x}",
	"admissionregistration.k8s.io/mutatingwebhookconfigurations":   "webhooks: []",
	"admissionregistration.k8s.io/validatingwebhookconfigurations": "webhooks: []",
}
