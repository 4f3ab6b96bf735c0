# Where Gatekeeper puts the objects that its config replicates.
package forbiddenpaths

namespaces := data.inventory.cluster.v1.Namespace

netpols_in(ns) := data.inventory.namespace[ns]["networking.k8s.io/v1"].NetworkPolicy

pods_in(ns) := data.inventory.namespace[ns].v1.Pod

request := input.review

violation contains {"msg": sprintf("%v could reach %v", pair)} if some pair in opened

