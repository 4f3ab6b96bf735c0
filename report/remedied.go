package report

import (
	"io"

	"github.com/podcullis/podcullis/cluster"
	"github.com/podcullis/podcullis/connectivity"
)

// Remedied is an edit that shuts a path, with the netpols as they would be.
type Remedied struct {
	Text    string
	Cost    int // other connections that it closes
	Netpols []*cluster.Draft
}

// RemediedJSON writes an explanation as ExplanationJSON does, with an edit.
func RemediedJSON(w io.Writer, e connectivity.Explanation, r Remedied) error {
	doc, err := r.explanation(e)
	if err != nil {
		return err
	}
	return writeJSON(w, doc)
}

// RemediedYAML is RemediedJSON in YAML.
func RemediedYAML(w io.Writer, e connectivity.Explanation, r Remedied) error {
	doc, err := r.explanation(e)
	if err != nil {
		return err
	}
	return writeYAML(w, doc)
}

func (r Remedied) explanation(e connectivity.Explanation) (jsonExplanation, error) {
	doc := explanationOf(e)
	doc.Fix = &jsonFix{Text: r.Text, Cost: r.Cost}
	for _, n := range r.Netpols {
		manifest, err := n.Manifest()
		if err != nil {
			return doc, err
		}
		doc.Fix.Netpols = append(doc.Fix.Netpols, manifest)
	}
	return doc, nil
}
