package main

import (
	"context"
	"errors"
	"slices"
)

// compared is what --before names, and the rest named alike.
func (o *graphOptions) compared() (before *sources, err error) {
	if before, err = o.sources.of("before", o.before); err != nil {
		return nil, err
	}
	if slices.Contains(o.before, "-") && slices.Contains(o.sources.files, "-") {
		return nil, hint(errors.New("standard input cannot be both versions"), "put one of them in a file")
	}
	return before, together(&o.sources, before, &o.sources)
}

// later is the version that is drawn.
func (p *program) later(ctx context.Context, o *graphOptions) (input, error) {
	if len(o.before) == 0 {
		return p.load(ctx, &o.sources)
	}
	if _, err := o.compared(); err != nil {
		return input{}, err
	}
	return p.gather(ctx, &o.sources)
}

// earlier is the version that it is compared with.
func (p *program) earlier(ctx context.Context, o *graphOptions) (input, error) {
	before, err := o.compared()
	if err != nil {
		return input{}, err
	}
	return p.gather(ctx, before)
}
