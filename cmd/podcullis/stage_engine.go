package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/podcullis/podcullis/guardrail"
	"github.com/podcullis/podcullis/guardrail/suite"
)

// engine is that of a stage.
func (s *stages) engine(f *folder, t *suite.Test) (*staged, error) {
	key, err := json.Marshal([]any{f.root.Name(), string(t.Config.JSON), t.Guardrail, string(t.Parameters.JSON), t.Action, string(t.Exemptions.JSON)})
	if err != nil {
		return nil, err
	}
	if e, ok := s.engines[string(key)]; ok {
		return e, nil
	}
	config, err := s.config(f, t)
	if err != nil {
		return nil, err
	}
	engine, err := guardrail.New(s.bench.library, config)
	if err != nil && !t.Config.Said() {
		err = errors.New(strings.ReplaceAll(err.Error(), ": guardrails[0].", ": ")) // which nobody wrote
	}
	if err != nil {
		return nil, err
	}
	e := &staged{engine, config.Custom()}
	s.engines[string(key)] = e
	return e, nil
}

// config is the configuration of a stage.
func (s *stages) config(f *folder, t *suite.Test) (*guardrail.Config, error) {
	b := &bench{library: s.bench.library, config: s.bench.config, file: s.bench.file}
	if t.Config.Said() {
		file, text, err := f.config(t.Config)
		if err != nil {
			return nil, err
		}
		if b.config, err = guardrail.ParseConfig(file, text); err != nil {
			return nil, err
		}
		b.file = file
	}
	config := b.config
	switch {
	case t.Guardrail != "":
		var err error
		if config, err = b.chosen(t); err != nil {
			return nil, err
		}
	case config == nil:
		return nil, errors.New("guardrail: missing: name one, or a config; or give --config")
	}
	return exempting(config, t)
}

// chosen is a configuration with the guardrail of a test alone.
func (b *bench) chosen(t *suite.Test) (*guardrail.Config, error) {
	var parameters map[string]any
	if t.Parameters.Said() {
		if err := json.Unmarshal(t.Parameters.JSON, &parameters); err != nil {
			return nil, errors.New("parameters: want an object")
		}
	}
	instance := map[string]any{"name": t.Guardrail, "guardrail": t.Guardrail, "action": guardrail.Deny, "parameters": parameters}
	if t.Action != "" {
		instance["action"] = t.Action
	}
	text, err := standing(map[string]any{"guardrails": []any{instance}}, cmp.Or(t.Parameters.Line, t.Stage.Line))
	if err != nil {
		return nil, err
	}
	config, err := b.configOf(t.Guardrail, parameters, t.File, text)
	if err != nil {
		return nil, err
	}
	if t.Action != "" {
		config.Guardrails[0].Action = guardrail.Action(t.Action)
	}
	return config, nil
}

// config is a file with a configuration, or one in a suite, as text whose lines are those of
// the file.
func (f *folder) config(v suite.Value) (file string, text []byte, err error) {
	if name, ok := v.Text(); ok {
		texts, err := f.file("config", name)
		if err != nil {
			return "", nil, err
		}
		if len(texts) != 1 {
			return "", nil, fmt.Errorf("config: %s is a folder: want a file of kind %s", name, guardrail.ConfigKind)
		}
		return texts[0].Name, texts[0].Data, nil
	}
	var fields map[string]any
	if err := json.Unmarshal(v.JSON, &fields); err != nil || fields == nil {
		return "", nil, errors.New("config: want the name of a file, or an object of kind " + guardrail.ConfigKind)
	}
	text, err = standing(fields, v.Line)
	return f.test, text, err
}

// standing is a configuration in one line, which is the one that it has in a suite.
func standing(fields map[string]any, line int) ([]byte, error) {
	for field, value := range map[string]string{"apiVersion": guardrail.ConfigAPIVersion, "kind": guardrail.ConfigKind} {
		if fields[field] == nil {
			fields[field] = value
		}
	}
	text, err := json.Marshal(fields)
	return append(bytes.Repeat([]byte("\n"), line-1), text...), err
}

// exempting is a configuration with the exemptions of a test, too.
func exempting(config *guardrail.Config, t *suite.Test) (*guardrail.Config, error) {
	if !t.Exemptions.Said() {
		return config, nil
	}
	var list, guardrails []any
	if err := json.Unmarshal(t.Exemptions.JSON, &list); err != nil {
		return nil, errors.New("exemptions: want a list")
	}
	for _, in := range config.Guardrails {
		guardrails = append(guardrails, map[string]any{"name": in.Name, "guardrail": in.Guardrail, "action": in.Action})
	}
	text, err := standing(map[string]any{"guardrails": guardrails, "exemptions": list}, t.Exemptions.Line)
	if err != nil {
		return nil, err
	}
	parsed, err := guardrail.ParseConfig(t.File, text)
	if err != nil {
		return nil, err
	}
	with := *config
	with.Exemptions = append(slices.Clone(with.Exemptions), parsed.Exemptions...)
	return &with, nil
}
