package main

import (
	"context"
	"errors"
	"slices"

	"github.com/podcullis/podcullis/audit"
)

// checked is what check looks at, and what was there before, if that is said.
func (p *program) checked(ctx context.Context, s *sources, before []string) (was *audit.Earlier, in input, err error) {
	if len(before) == 0 {
		in, err = p.load(ctx, s)
		return nil, in, err
	}
	if slices.Contains(before, "-") && slices.Contains(s.files, "-") {
		return nil, in, hint(errors.New("standard input cannot be both versions"), "put one of them in a file")
	}
	old, err := s.of("before", before)
	if err != nil {
		return nil, in, err
	}
	if err := together(s, old, s); err != nil {
		return nil, in, err
	}
	earlier, err := p.gather(ctx, old)
	if err != nil {
		return nil, in, err
	}
	if in, err = p.gather(ctx, s); err != nil {
		return nil, in, err
	}
	return &audit.Earlier{Items: items(earlier.set), Snapshot: earlier.snapshot}, in, nil
}
