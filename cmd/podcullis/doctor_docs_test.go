package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podcullis/podcullis/doctor"
)

// TestGeneratedDoctor writes a real run, and the table of network plugins, into docs/doctor.md.
func TestGeneratedDoctor(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	file := filepath.Join("docs", "doctor.md")
	page := read(t, file)
	code, stdout, stderr := command(t, "doctor", "-f", "examples/shop", "-f", "doctor/testdata/networks/flannel.yaml", "--quiet")
	if code != violations {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	want := placed(t, page, "doctor", "```text\n"+part(stdout, "Does the network", 8)+"```\n")
	want = placed(t, want, "networks", networksTable())
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Errorf("docs/doctor.md is out of date; run make docs (-want +got):\n%s", diff)
	}
}

// placed puts text between the marks of a part.
func placed(t *testing.T, page, name, text string) string {
	t.Helper()
	before, rest, found := strings.Cut(page, "<!-- generated: "+name+" -->\n")
	_, after, ends := strings.Cut(rest, "<!-- end: "+name+" -->")
	if !found || !ends {
		t.Fatalf("there is no place for %s", name)
	}
	return before + "<!-- generated: " + name + " -->\n\n" + text + "\n<!-- end: " + name + " -->" + after
}

func networksTable() string {
	var b strings.Builder
	b.WriteString("| plugin | DaemonSet | in namespace | enforces | endPort | SCTP | named ports | ipBlock over pods |\n|---|---|---|---|---|---|---|---|\n")
	link := func(text, source string) string {
		if source == "" {
			return text
		}
		return "[" + text + "](" + source + ")"
	}
	word := map[doctor.Support]string{doctor.Yes: "yes", doctor.No: "no", doctor.NotKnown: "not known"}
	row := func(n doctor.Network) {
		enforces := link(word[n.Enforces], n.Source)
		for _, s := range n.Switches {
			enforces += fmt.Sprintf("; %s if %s", link(word[s.Then], s.Source), condition(s))
		}
		cells := []string{n.Name, code(n.DaemonSets), code(n.Namespaces), enforces}
		for _, f := range []doctor.Feature{doctor.EndPort, doctor.SCTP, doctor.NamedPorts, doctor.PodBlocks} {
			a := n.Features[f]
			text := word[a.Has]
			if a.Since != "" {
				text += " since " + a.Since
			}
			if a.Key != "" {
				text += " with " + a.Key
			}
			cells = append(cells, link(text, a.Source))
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	for _, n := range doctor.Networks() {
		row(n)
	}
	row(doctor.K3s())
	return b.String()
}

func code(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "`" + strings.Join(slices.Clone(names), "`, `") + "`"
}

// condition is when a switch is set, in a few words.
func condition(s doctor.Switch) string {
	switch {
	case s.TagBefore != "":
		return "the image is older than " + s.TagBefore
	case s.ConfigMap != "":
		return fmt.Sprintf("`%s` of ConfigMap `%s` is `%s`", s.Key, s.ConfigMap, s.Is)
	case s.Arg != "":
		return fmt.Sprintf("it runs with `%s=%s`", s.Arg, s.Is)
	}
	return fmt.Sprintf("it has a container `%s`", s.Container)
}
