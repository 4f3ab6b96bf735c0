// What of the graph is shown: the part that somebody looks at, without what the filters
// hide, and closed namespaces as one box. What a line means is what meaning.go says.
const STATES = ['default', 'netpol', 'unknown', 'blocked'];
const WORDS = {default: 'open by default', netpol: 'open by netpol', unknown: 'unknown', blocked: 'blocked'};
const SIGNS = {added: '+ ', removed: '− ', turned: '~ '};
const plural = (n, what) => `${n} ${what}${n === 1 ? '' : 's'}`;
const shorten = (text, n) => ([...text].length <= n ? text : [...text].slice(0, n - 1).join('') + '…');

function meaning(e) {
  if (e.violates.size) return 'forbidden';
  if (e.change === 'removed') return 'closed';
  if (e.state === 'unknown') return 'unknown';
  return e.change === 'added' ? 'opened' : e.state;
}

// became says what a change made of a line.
function became(e) {
  if (e.change === 'turned') return e.state === 'unknown' ? 'was open' : 'was unknown';
  return e.change;
}
const wordsOf = (e) => [WORDS[e.state], became(e)].filter(Boolean).join(', ');

// within tells which edges belong to a view.
function within(data, view) {
  const of = (i) => data.nodes[i];
  return {
    all: () => true,
    namespaces: () => true,
    changed: (e) => !!e.c,
    violations: (e) => !!e.v,
    namespace: (e) => of(e.f).ns === view.ns || of(e.t).ns === view.ns,
    node: (e) => e.f === view.node || e.t === view.node,
    edges: (e, i) => view.edges.has(i),
  }[view.kind];
}

// lonely tells whether a box belongs to a view though no line of it is there.
function lonely(view, node, i) {
  return view.kind === 'all' || view.kind === 'namespaces' || (view.kind === 'namespace' && node.ns === view.ns) || (view.kind === 'node' && i === view.node);
}

// foldGraph makes the graph that is shown. Closed namespaces are one node, and the edges
// of one sort between two nodes are one. off tells which edges the filters hide; a box
// all of whose lines they hide is hidden with them.
function foldGraph(data, view, folded, off, widthOf) {
  const belongs = within(data, view), kept = [], bare = new Set(), met = new Set();
  data.edges.forEach((e, i) => {
    if (!belongs(e, i)) return;
    for (const n of [e.f, e.t]) (off(e) ? bare : met).add(n);
    if (!off(e)) kept.push(i);
  });
  const there = (n, i) => met.has(i) || (!bare.has(i) && lonely(view, n, i)) || (view.kind === 'node' && i === view.node);
  const out = {nodes: [], edges: [], hidden: [...bare].filter((i) => !met.has(i)).length};
  const place = [], closed = new Map();
  const elsewhere = (n) => folded.size > 0 && n.outside && !n.anywhere;
  const many = data.nodes.filter((n, i) => elsewhere(n) && there(n, i)).length > 8;
  data.nodes.forEach((n, i) => {
    if (!there(n, i)) return;
    if (many && elsewhere(n)) {
      if (!closed.has('')) {
        closed.set('', out.nodes.length);
        out.nodes.push({title: '', sub: 'outside the cluster', name: 'outside the cluster', ns: '', outside: true, group: '', members: [], gates: ['', '']});
      }
      place[i] = closed.get('');
      const box = out.nodes[place[i]];
      box.members.push(i);
      box.title = box.members.length + ' address blocks';
    } else if (!folded.has(n.ns)) {
      place[i] = out.nodes.length;
      out.nodes.push({...n, group: n.ns, members: [i]});
    } else {
      if (!closed.has(n.ns)) {
        closed.set(n.ns, out.nodes.length);
        out.nodes.push({title: n.ns, name: 'Namespace/' + n.ns, ns: n.ns, namespace: true, group: '', members: [], gates: ['', '']});
      }
      place[i] = closed.get(n.ns);
      out.nodes[place[i]].members.push(i);
    }
  });
  foldEdges(data, kept, place, out);
  for (const n of out.nodes) {
    if (n.namespace && n.ns) n.sub = plural(n.members.length, 'workload') + (n.inside ? `, ${n.inside} inside` : '');
    n.w = Math.max(widthOf(shorten(n.title, 30), 14, true), widthOf(n.sub, 11), 84) + 28;
    n.titleWidth = widthOf(n.group || '', 14, true);
  }
  for (const e of out.edges) {
    e.label = shorten(e.members.length === 1 ? data.edges[e.members[0]].l : labelOf(e), 44);
    e.labelWidth = widthOf(e.label, 11, e.violates.size > 0);
  }
  return out;
}

function foldEdges(data, kept, place, out) {
  const at = new Map();
  for (const i of kept) {
    const e = data.edges[i], from = place[e.f], to = place[e.t];
    if (from === to) {
      const box = out.nodes[from];
      box.inside = (box.inside || 0) + (e.s === 3 ? 0 : e.n || 1);
      box.bad = box.bad || !!e.v;
      continue;
    }
    const key = [from, to, e.s, e.c || '', !!e.v].join();
    if (!at.has(key)) {
      at.set(key, out.edges.length);
      out.edges.push({from, to, state: STATES[e.s], change: e.c || '', shift: 4 * (e.s - 1.5) - (e.v ? 2 : 0), members: [], count: 0, violates: new Set()});
    }
    const sum = out.edges[at.get(key)];
    sum.members.push(i);
    sum.count += e.n || 1;
    for (const v of e.v || []) sum.violates.add(v);
  }
}

function labelOf(e) {
  const what = e.state === 'blocked' ? plural(e.count, 'path') + ' blocked' : plural(e.count, 'connection');
  return (e.violates.size ? '! ' : '') + (SIGNS[e.change] || '') + (e.state === 'unknown' ? 'unknown: ' : '') + what;
}
