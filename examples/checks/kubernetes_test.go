package checks

import (
	"os"
	"testing"
	"time"

	"github.com/netresearch/go-cron"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// The API's own decoder, in its strict mode, refuses fields that do not exist, are duplicated or have another type.
func TestCronJobIsAValidManifest(t *testing.T) {
	t.Parallel()
	manifest, err := os.ReadFile("../kubernetes/cronjob.yaml")
	if err != nil {
		t.Fatal(err)
	}
	job := decodeCronJob(t, manifest)
	spec := job.Spec
	if spec.ConcurrencyPolicy != batchv1.ForbidConcurrent {
		t.Errorf("concurrencyPolicy is %q, want Forbid", spec.ConcurrencyPolicy)
	}
	if spec.StartingDeadlineSeconds == nil || *spec.StartingDeadlineSeconds < 60 {
		t.Error("startingDeadlineSeconds is missing or too short for a busy cluster")
	}
	if _, err := cron.ParseStandard(spec.Schedule); err != nil {
		t.Errorf("schedule: %v", err)
	}
	if spec.TimeZone == nil {
		t.Error("timeZone is missing")
	} else if _, err := time.LoadLocation(*spec.TimeZone); err != nil {
		t.Errorf("timeZone: %v", err)
	}
	pod := spec.JobTemplate.Spec.Template.Spec
	if pod.SecurityContext == nil || pod.SecurityContext.RunAsNonRoot == nil || !*pod.SecurityContext.RunAsNonRoot {
		t.Error("the pod may run as root")
	}
	for _, c := range pod.Containers {
		for _, variable := range c.Env {
			if variable.Name == "DATABASE_URL" && variable.ValueFrom == nil {
				t.Error("the manifest contains the password of the database")
			}
		}
	}
}

func TestMistakesInManifestsAreFound(t *testing.T) {
	t.Parallel()
	for _, manifest := range []string{
		"apiVersion: batch/v1\nkind: CronJob\nspec:\n  scedule: \"0 3 * * *\"\n",
		"apiVersion: batch/v1\nkind: CronJob\nspec:\n  startingDeadlineSeconds: soon\n",
		"apiVersion: batch/v1\nkind: CronJobb\n",
	} {
		if _, _, err := decoder().Decode([]byte(manifest), nil, nil); err == nil {
			t.Errorf("nothing is wrong with\n%s", manifest)
		}
	}
}

func decodeCronJob(t *testing.T, manifest []byte) *batchv1.CronJob {
	t.Helper()
	object, _, err := decoder().Decode(manifest, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	job, ok := object.(*batchv1.CronJob)
	if !ok {
		t.Fatalf("the manifest is a %T, want a CronJob", object)
	}
	return job
}

func decoder() runtime.Decoder {
	scheme := runtime.NewScheme()
	if err := batchv1.AddToScheme(scheme); err != nil {
		panic(err) // the scheme is new
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}
