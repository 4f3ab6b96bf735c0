package scenarios

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/podcullis/podcullis/cluster/manifest"
)

// step is something that is done to a cluster, and judged.
type step struct {
	name    string
	changes []change
	// by is who does it; nobody in particular if empty.
	by string
	// believed is set for who may act for the owners that are not in the model.
	believed bool
	// passes is the time that goes by before.
	passes time.Duration
	// held deletions are judged, and something (a finalizer, a grace period) keeps the object.
	held bool
	// unjudged is what nobody asks the webhook about.
	unjudged bool
	// refused is set for a step that is not the last and is refused all the same.
	refused bool
	// alone is a control: judged and refused, and never done.
	alone bool
	// controls are variations of the step that have to be refused, so that it does not
	// pass because nothing was at stake.
	controls []string
}

// change is one object that is written, or deleted.
type change struct {
	object *manifest.Object // nil: deleted
	delete string           // its ref
}

// readStep reads a file N-name.yaml. It begins with comments that say what is special:
//
//	# delete: shop/Pod/web-0     (instead of objects; may be repeated)
//	# by: system:serviceaccount:kube-system:namespace-controller
//	# believed: yes              (they may act for the owner)
//	# time passes: 61m
//	# held: by a finalizer
//	# unjudged: by kubectl scale
//	# refused: yes
//	# control: without owners    (may be repeated)
func readStep(t *testing.T, f txtar.File) step {
	t.Helper()
	s := step{name: strings.TrimSuffix(path.Base(f.Name), ".yaml")}
	_, word, _ := strings.Cut(s.name, "-")
	s.alone = strings.HasPrefix(word, "control")
	for line := range strings.Lines(string(f.Data)) {
		text, isComment := strings.CutPrefix(line, "# ")
		if !isComment {
			break
		}
		key, value, _ := strings.Cut(strings.TrimSpace(text), ": ")
		switch key {
		case "delete":
			s.changes = append(s.changes, change{delete: value})
		case "by":
			s.by = value
		case "believed":
			s.believed = true
		case "time passes":
			d, err := time.ParseDuration(value)
			if err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			s.passes = d
		case "held":
			s.held = true
		case "unjudged":
			s.unjudged = true
		case "refused":
			s.refused = true
		case "control":
			s.controls = append(s.controls, value)
		default:
			t.Fatalf("%s: %q is nothing that a step can say", f.Name, key)
		}
	}
	if len(s.changes) == 0 {
		objects := load(t, f.Data).Objects
		for i := range objects {
			s.changes = append(s.changes, change{object: &objects[i]})
		}
	}
	if len(s.changes) == 0 {
		t.Fatalf("%s does nothing", f.Name)
	}
	return s
}

// stranger is an object like another that has no history: under another name, with
// another uid, and when asked without the owners that it claims.
func stranger(t *testing.T, o *manifest.Object, owners bool) *manifest.Object {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(o.JSON, &fields); err != nil {
		t.Fatal(err)
	}
	meta := fields["metadata"].(map[string]any)
	meta["name"] = fmt.Sprint(meta["name"], "-stranger")
	meta["uid"] = "u-stranger"
	if !owners {
		delete(meta, "ownerReferences")
	}
	text, err := yaml.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return &load(t, text).Objects[0]
}
