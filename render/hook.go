package render

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	release "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"sigs.k8s.io/yaml"
)

// part is a document of a rendered template, and the lines before it.
type part struct {
	text string
	line int
}

// separator is where Helm splits a template's output, whatever follows: an action
// that trims the line break after it leaves "---apiVersion: v1" or "---# a comment".
var separator = regexp.MustCompile(`(?m)^---[ \t]*`)

// documents splits the output of a template as Helm does.
func documents(text string) []part {
	var parts []part
	start, line := 0, 0
	add := func(end int) {
		if strings.TrimSpace(text[start:end]) != "" {
			parts = append(parts, part{text[start:end], line})
		}
		line += strings.Count(text[start:end], "\n")
	}
	for _, at := range separator.FindAllStringIndex(text, -1) {
		add(at[0])
		start = at[1]
	}
	add(len(text))
	return parts
}

// hookOf names a hook that is not there any more after helm install; empty for
// what stays. One that Helm deletes only before it creates it again stays.
func hookOf(text string) string {
	var head releaseutil.SimpleHead
	if err := yaml.Unmarshal([]byte(text), &head); err != nil || head.Metadata == nil {
		return "" // reading the manifest words the error
	}
	events, hook := head.Metadata.Annotations[release.HookAnnotation]
	if !hook {
		return ""
	}
	installed := slices.ContainsFunc(words(events), func(event string) bool {
		return event == release.HookPreInstall.String() || event == release.HookPostInstall.String()
	})
	// A list with an event that Helm does not know is never installed.
	known := !slices.ContainsFunc(words(events), func(event string) bool { return !slices.Contains(hookEvents(), event) })
	deleted := slices.Contains(words(head.Metadata.Annotations[release.HookDeleteAnnotation]), release.HookSucceeded.String())
	if installed && known && !deleted {
		return ""
	}
	return strings.TrimSpace(head.Kind + " " + head.Metadata.Name)
}

func hookEvents() []string {
	var names []string
	for _, e := range []release.HookEvent{
		release.HookPreInstall, release.HookPostInstall, release.HookPreDelete, release.HookPostDelete, release.HookPreUpgrade,
		release.HookPostUpgrade, release.HookPreRollback, release.HookPostRollback, release.HookTest,
	} {
		names = append(names, e.String())
	}
	return append(names, "test-success") // as Helm 2 had it
}

// words are the values of an annotation of Helm.
func words(list string) []string {
	var out []string
	for word := range strings.SplitSeq(list, ",") {
		out = append(out, strings.ToLower(strings.TrimSpace(word)))
	}
	return out
}

// maxGone bounds how many hooks a note names.
const maxGone = 5

func goneNote(gone []string) string {
	names := strings.Join(gone, ", ")
	if n := len(gone) - maxGone; n > 1 {
		names = fmt.Sprintf("%s and %d more", strings.Join(gone[:maxGone], ", "), n)
	}
	verb := "hooks are"
	if len(gone) == 1 {
		verb = "hook is"
	}
	return fmt.Sprintf("%d %s left out, not being there any more after helm install: %s; --hooks takes all in", len(gone), verb, names)
}
