package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/podcullis/podcullis/doctor"
)

// checkupMark is how wide the column of a status is.
const checkupMark = 10

// CheckupText writes a checkup for people: the questions, and what is known of each.
func CheckupText(w io.Writer, c doctor.Checkup, s Style) error {
	var b bytes.Buffer
	indent := strings.Repeat(" ", checkupMark+2)
	for i, section := range c.Sections {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintln(&b, s.paint(bold, line(section.Question)))
		for _, a := range section.Answers {
			mark := string(a.Status) + strings.Repeat(" ", checkupMark-len(a.Status))
			fmt.Fprintf(&b, "  %s%s\n", s.paint(colourOf(a.Status), mark), hanging(line(a.Text), indent))
			for _, e := range a.Evidence {
				fmt.Fprintf(&b, "%s- %s\n", indent, hanging(line(e), indent+"  "))
			}
			if a.Mend != "" {
				fmt.Fprintf(&b, "%sto mend: %s\n", indent, hanging(line(a.Mend), indent+"  "))
			}
			if a.Source != "" && a.Status != doctor.OK {
				fmt.Fprintf(&b, "%ssee: %s\n", indent, line(a.Source))
			}
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// hanging breaks a text at the width of tables; what goes on is indented.
func hanging(text, indent string) string {
	rows, _ := wrapped(text, max(tableWidth-len(indent), least))
	whole := strings.Join(rows, "\n"+indent)
	if strings.Contains(whole, "…") && !strings.Contains(text, "…") {
		return text // a word that is wider than the line is not cut
	}
	return whole
}

func colourOf(s doctor.Status) string {
	switch s {
	case doctor.OK:
		return green
	case doctor.Problem:
		return red
	}
	return yellow
}

type jsonCheckup struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Of         string        `json:"of"`
	Status     string        `json:"status"`
	Sections   []jsonSection `json:"sections"`
}

type jsonSection struct {
	ID       string       `json:"id"`
	Question string       `json:"question"`
	Status   string       `json:"status"`
	Answers  []jsonAnswer `json:"answers"`
}

type jsonAnswer struct {
	Status   string   `json:"status"`
	Text     string   `json:"text"`
	Evidence []string `json:"evidence,omitempty"`
	Mend     string   `json:"mend,omitempty"`
	Source   string   `json:"source,omitempty"`
}

func checkupDocument(c doctor.Checkup) jsonCheckup {
	out := jsonCheckup{APIVersion, "Checkup", c.Of, string(c.Status()), []jsonSection{}}
	for _, s := range c.Sections {
		section := jsonSection{s.ID, s.Question, string(s.Status()), []jsonAnswer{}}
		for _, a := range s.Answers {
			section.Answers = append(section.Answers, jsonAnswer{string(a.Status), a.Text, a.Evidence, a.Mend, a.Source})
		}
		out.Sections = append(out.Sections, section)
	}
	return out
}

// CheckupJSON writes a document of kind Checkup.
func CheckupJSON(w io.Writer, c doctor.Checkup) error { return writeJSON(w, checkupDocument(c)) }

// CheckupYAML is CheckupJSON in YAML.
func CheckupYAML(w io.Writer, c doctor.Checkup) error { return writeYAML(w, checkupDocument(c)) }

// CheckupMarkdown writes a table for a comment or a ticket.
func CheckupMarkdown(w io.Writer, c doctor.Checkup) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### Podcullis doctor: %s\n\n| | question | what | evidence | to mend |\n|---|---|---|---|---|\n", c.Status())
	for _, s := range c.Sections {
		for i, a := range s.Answers {
			question := s.Question
			if i > 0 {
				question = ""
			}
			row := fmt.Sprintf("| %s | %s | %s | %s | %s |\n", a.Status, question, cell(a.Text), cells(a.Evidence), cell(a.Mend))
			if b.Len()+len(row) > maxMarkdown {
				b.WriteString("\nand more that is too much for a comment\n")
				_, err := io.WriteString(w, b.String())
				return err
			}
			b.WriteString(row)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func cells(texts []string) string {
	var out []string
	for _, t := range texts {
		out = append(out, cell(t))
	}
	return strings.Join(out, "<br>")
}

// CheckupCSV writes a row for each answer under a row of names.
func CheckupCSV(w io.Writer, c doctor.Checkup) error {
	t := newSheet(w, "section", "status", "text", "evidence", "mend", "source")
	for _, s := range c.Sections {
		for _, a := range s.Answers {
			t.row(s.ID, string(a.Status), a.Text, strings.Join(a.Evidence, "; "), a.Mend, a.Source)
		}
	}
	return t.end()
}
