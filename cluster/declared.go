package cluster

import "slices"

// DeclaredPorts are the ports that a workload's pods show, of its templates and, where it has
// none, of its pods; none where one of them shows none.
func (s *Snapshot) DeclaredPorts(w *Workload) []DeclaredPort {
	var refs []Ref
	for _, v := range w.Variants {
		refs = append(refs, v.Templates...)
	}
	if len(refs) == 0 {
		for _, v := range w.Variants {
			for _, name := range v.Pods {
				refs = append(refs, Ref{Namespace: w.Namespace, Kind: "Pod", Name: name})
			}
		}
	}
	var out []DeclaredPort
	for _, ref := range refs {
		ports := declaredBy(s.Object(ref))
		if len(ports) == 0 {
			return nil
		}
		for _, p := range ports {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

func declaredBy(o Object) []DeclaredPort {
	switch o := o.(type) {
	case *Pod:
		return o.Declared
	case *Template:
		return o.Declared
	}
	return nil
}
