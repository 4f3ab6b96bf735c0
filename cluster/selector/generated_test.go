package selector

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// The names are the API's.
func TestGeneratedLabelsAreThoseOfTheAPI(t *testing.T) {
	for ours, api := range map[string]string{
		PodName: appsv1.StatefulSetPodNameLabel, PodIndex: appsv1.PodIndexLabel,
		RevisionHash: appsv1.ControllerRevisionHashLabelKey, TemplateHash: appsv1.DefaultDeploymentUniqueLabelKey,
		JobName: batchv1.JobNameLabel, ControllerUID: batchv1.ControllerUidLabel,
		CompletionIndex: batchv1.JobCompletionIndexAnnotation, Zone: corev1.LabelTopologyZone, Region: corev1.LabelTopologyRegion,
	} {
		if !IsGenerated(ours) {
			t.Errorf("%s is not generated", ours)
		}
		if ours != api {
			t.Errorf("%s is %s in the API", ours, api)
		}
	}
}
