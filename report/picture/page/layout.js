// Where things are drawn: what layered.go and scene.go do, for the page, where
// namespaces open and close. Read those for the why.
'use strict';
const COLUMN_GAP = 26, ROW_GAP = 14, WIRE_GAP = 9, MAX_RANKS = 7, SWEEPS = 24;
const NODE_HEIGHT = 44, FRAME_PAD = 18, FRAME_TITLE = 26, DENSE_EDGES = 90, FIRST = -1, LAST = 1;

// sequence orders boxes so that few arrows point backwards.
function sequence(n, arrows) {
  const into = Array(n).fill(0), out = Array(n).fill(0), touching = Array.from({length: n}, () => []);
  for (const a of arrows) {
    out[a.from]++; into[a.to]++;
    touching[a.from].push(a); touching[a.to].push(a);
  }
  const at = Array(n), gone = Array(n).fill(false);
  let first = 0, last = n - 1;
  for (let k = 0; k < n; k++) {
    let best = -1, atEnd = false;
    for (let b = 0; b < n; b++) {
      if (gone[b]) continue;
      if (into[b] === 0) { best = b; atEnd = false; break; }
      if (out[b] === 0 && !atEnd) { best = b; atEnd = true; }
      if (best < 0 || (!atEnd && out[b] - into[b] > out[best] - into[best])) best = b;
    }
    gone[best] = true;
    at[best] = atEnd ? last-- : first++;
    for (const a of touching[best]) { out[a.from]--; into[a.to]--; }
  }
  return at;
}

// rank gives each box its column, and tells which arrows point to the left.
function rank(boxes, arrows, pins, dense) {
  const n = boxes.length, at = sequence(n, arrows);
  const back = arrows.map((a) => at[a.from] > at[a.to]);
  const next = boxes.map(() => []), previous = boxes.map(() => []), order = [];
  arrows.forEach((a, i) => {
    const [from, to] = back[i] ? [a.to, a.from] : [a.from, a.to];
    next[from].push(to); previous[to].push(from);
  });
  at.forEach((place, box) => { order[place] = box; });
  const ranks = Array(n).fill(0);
  let last = 0;
  for (const b of order) {
    for (const p of previous[b]) ranks[b] = Math.max(ranks[b], ranks[p] + 1);
    last = Math.max(last, ranks[b]);
  }
  for (const b of order.slice().reverse()) {
    if (previous[b].length === 0 && next[b].length > 0) {
      ranks[b] = Math.max(Math.min(last, ...next[b].map((x) => ranks[x])) - 1, 0);
    }
  }
  if (dense && last >= MAX_RANKS) {
    for (let b = 0; b < n; b++) ranks[b] = Math.floor(ranks[b] * (MAX_RANKS - 1) / last);
    last = MAX_RANKS - 1;
  }
  const pinnedFirst = pins.includes(FIRST);
  pins.forEach((pin, b) => {
    if (pinnedFirst) ranks[b] = pin === FIRST ? 0 : pin === LAST ? last + 2 : ranks[b] + 1;
    else if (pin === LAST) ranks[b] = last + 1;
  });
  const loose = [];
  for (let b = 0; b < n; b++) if (next[b].length + previous[b].length === 0) { ranks[b] = -1; loose.push(b); }
  return {ranks, back, loose};
}

function layered(boxes, arrows, pins, dense) {
  const {ranks, back, loose} = rank(boxes, arrows, pins, dense);
  const items = boxes.map((s) => ({w: s.w, h: s.h, x: 0, y: 0, wire: false, left: [], right: []}));
  let columns = Array.from({length: Math.max(0, ...ranks.map((r) => 2 * r)) + 1}, () => []);
  boxes.forEach((_, b) => { if (ranks[b] >= 0) columns[2 * ranks[b]].push(b); });
  const chains = arrows.map((a, i) => {
    const [from, to] = back[i] ? [a.to, a.from] : [a.from, a.to];
    const chain = [from], first = 2 * ranks[from], last = 2 * ranks[to];
    for (let c = first + 1; c < last && !dense; c++) {
      const labelled = c === Math.floor((first + last) / 4) * 2 + 1 && a.label.w > 0;
      columns[c].push(items.length);
      chain.push(items.length);
      items.push({w: labelled ? a.label.w : 0, h: labelled ? a.label.h : 0, x: 0, y: 0, wire: !labelled, left: [], right: []});
    }
    chain.push(to);
    for (let k = 1; k < chain.length; k++) { items[chain[k - 1]].right.push(chain[k]); items[chain[k]].left.push(chain[k - 1]); }
    return chain;
  });
  columns = ordered(columns, items, dense);
  columns = placed(columns, items, boxes, ranks, dense);
  return result(columns, items, boxes, arrows, chains, back, loose);
}

// ordered sorts each column by where its neighbours are, there and back.
function ordered(columns, items, dense) {
  const crossings = () => {
    if (dense) return 1;
    const index = [];
    for (const c of columns) c.forEach((it, i) => { index[it] = i; });
    let count = 0;
    for (const c of columns) {
      const ends = [];
      for (const it of c) {
        const targets = items[it].right.map((r) => index[r]).sort((a, b) => a - b);
        for (const t of targets) for (const e of ends) if (e > t) count++;
        ends.push(...targets);
      }
    }
    return count;
  };
  const copy = () => columns.map((c) => c.slice());
  let best = copy(), fewest = crossings();
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    const position = [];
    const note = (c) => c.forEach((it, i) => { position[it] = (i + 0.5) / c.length; });
    columns.forEach(note);
    for (let k = 0; k < columns.length; k++) {
      const c = sweep % 2 ? columns[columns.length - 1 - k] : columns[k];
      const want = new Map();
      for (const it of c) {
        const around = sweep % 2 ? items[it].right : items[it].left;
        want.set(it, around.length ? around.reduce((sum, x) => sum + position[x], 0) / around.length : position[it]);
      }
      c.sort((a, b) => want.get(a) - want.get(b));
      note(c);
    }
    const n = crossings();
    if (n < fewest || dense) { best = copy(); fewest = n; }
  }
  return best;
}

function placed(columns, items, boxes, ranks, dense) {
  if (dense) columns = wrapped(columns, items, boxes, ranks);
  let x = 0;
  for (const c of columns) {
    if (c.length === 0 && dense) continue;
    const width = Math.max(0, ...c.map((it) => items[it].w));
    let y = 0;
    for (const it of c) {
      items[it].x = x + width / 2;
      items[it].y = y + items[it].h / 2;
      y += items[it].h + ROW_GAP;
    }
    for (const it of c) items[it].y -= y / 2;
    x += width + COLUMN_GAP * (dense ? 2 : 1);
  }
  for (let pass = 0; pass < 12 && !dense; pass++) {
    for (let k = 0; k < columns.length; k++) settle(pass % 2 ? columns[columns.length - 1 - k] : columns[k], items, pass >= 10);
  }
  return columns;
}

// wrapped breaks columns that are much higher than the drawing should be.
function wrapped(columns, items, boxes, ranks) {
  let area = 0;
  boxes.forEach((s, b) => { if (ranks[b] >= 0) area += (s.w + 2 * COLUMN_GAP) * (s.h + ROW_GAP); });
  const limit = Math.sqrt(area), out = [];
  for (const c of columns) {
    const height = c.reduce((sum, it) => sum + items[it].h + ROW_GAP, 0);
    const parts = Math.max(Math.ceil(height / limit), 1);
    for (let p = 0; p < parts; p++) out.push(c.slice(Math.floor(c.length * p / parts), Math.floor(c.length * (p + 1) / parts)));
  }
  return out;
}

// settle moves the items of a column as near to their neighbours as they fit.
function settle(column, items, exactly) {
  const pools = [], offset = [];
  column.forEach((id, i) => {
    const it = items[id];
    offset.push(0);
    if (i > 0) {
      const above = items[column[i - 1]];
      offset[i] = offset[i - 1] + (above.h + it.h) / 2 + (above.wire || it.wire ? WIRE_GAP : ROW_GAP);
    }
    let y = 0, weight = 0;
    for (const n of it.left.concat(it.right)) {
      const w = it.wire && items[n].wire ? 4 : 1;
      y += items[n].y * w; weight += w;
    }
    let want = weight ? y / weight : it.y;
    if (weight && !exactly) want = (want + it.y) / 2;
    pools.push({sum: (want - offset[i]) * (weight || 1), weight: weight || 1, length: 1});
    while (pools.length > 1) {
      const b = pools[pools.length - 1], a = pools[pools.length - 2];
      if (a.sum / a.weight <= b.sum / b.weight) break;
      a.sum += b.sum; a.weight += b.weight; a.length += b.length;
      pools.pop();
    }
  });
  let i = 0;
  for (const p of pools) for (let k = 0; k < p.length; k++, i++) items[column[i]].y = p.sum / p.weight + offset[i];
}

function result(columns, items, boxes, arrows, chains, back, loose) {
  const out = {boxes: [], routes: arrows.map(() => []), labels: [], w: 0, h: 0};
  const top = Math.min(...columns.flat().map((it) => items[it].y - items[it].h / 2), Infinity);
  for (const it of columns.flat()) {
    const i = items[it];
    i.y -= top;
    out.w = Math.max(out.w, i.x + i.w / 2); out.h = Math.max(out.h, i.y + i.h / 2);
    if (it < boxes.length) out.boxes[it] = {x: i.x - i.w / 2, y: i.y - i.h / 2, w: i.w, h: i.h};
  }
  placeLoose(out, boxes, loose);
  const left = boxes.map(() => []), right = boxes.map(() => []);
  chains.forEach((chain, i) => {
    const n = chain.length;
    right[chain[0]].push({arrow: i, next: chain[1]});
    left[chain[n - 1]].push({arrow: i, next: chain[n - 2]});
    for (const id of chain.slice(1, -1)) {
      const it = items[id];
      if (it.w > 0) {
        out.labels[i] = {x: it.x, y: it.y};
        out.routes[i].push({x: it.x - it.w / 2, y: it.y}, {x: it.x + it.w / 2, y: it.y});
      } else out.routes[i].push({x: it.x, y: it.y});
    }
  });
  out.boxes.forEach((r, b) => [left[b], right[b]].forEach((list, side) => {
    list.sort((a, c) => items[a.next].y - items[c.next].y);
    list.forEach((m, k) => {
      const step = Math.min(10, (r.h - 12) / list.length);
      const p = {x: r.x + side * r.w, y: r.y + r.h / 2 + step * (k - (list.length - 1) / 2)};
      if (side === 0) out.routes[m.arrow].push(p); else out.routes[m.arrow].unshift(p);
    });
  }));
  back.forEach((b, i) => { if (b) out.routes[i].reverse(); });
  return out;
}

function placeLoose(out, boxes, loose) {
  if (loose.length === 0) return;
  const area = loose.reduce((sum, b) => sum + (boxes[b].w + ROW_GAP) * (boxes[b].h + ROW_GAP), 0);
  const limit = Math.max(out.w, Math.sqrt(area * 1.7));
  let x = 0, y = out.h > 0 ? out.h + 2 * ROW_GAP : 0, row = 0;
  for (const b of loose) {
    const s = boxes[b];
    if (x > 0 && x + s.w > limit) { x = 0; y += row + ROW_GAP; row = 0; }
    out.boxes[b] = {x, y, w: s.w, h: s.h};
    x += s.w + ROW_GAP;
    row = Math.max(row, s.h);
    out.w = Math.max(out.w, x - ROW_GAP); out.h = Math.max(out.h, y + s.h);
  }
}

// arrange places nodes {group, w} and edges {from, to, labelWidth}: namespaces as
// boxes, and in each its workloads, with gates in its frame for what leaves it.
function arrange(nodes, edges) {
  const dense = edges.length > DENSE_EDGES;
  const groups = [], groupOf = [], byName = new Map();
  nodes.forEach((n, i) => {
    let g = n.group === '' ? undefined : byName.get(n.group);
    if (g === undefined) {
      g = groups.length;
      groups.push({name: n.group, titleWidth: n.titleWidth || 0, nodes: []});
      if (n.group !== '') byName.set(n.group, g);
    }
    groups[g].nodes.push(i);
    groupOf[i] = g;
  });
  const label = (e) => (dense ? {w: 0, h: 0} : {w: e.labelWidth + 8, h: 18});
  const between = [], crossing = [];
  edges.forEach((e, i) => {
    if (groupOf[e.from] !== groupOf[e.to]) {
      between.push({from: groupOf[e.from], to: groupOf[e.to], label: label(e)});
      crossing.push(i);
    }
  });
  const at = sequence(groups.length, between);
  const left = between.map((b) => at[b.from] > at[b.to]);
  const inner = groups.map((g, i) => (g.name === '' ? null : interior(i)));
  const sizes = groups.map((g, i) => (inner[i]
    ? {w: Math.max(inner[i].w, g.titleWidth) + 2 * FRAME_PAD, h: inner[i].h + FRAME_TITLE + FRAME_PAD}
    : {w: nodes[g.nodes[0]].w, h: NODE_HEIGHT}));

  function interior(group) {
    const boxes = [], pins = [], arrows = [], inside = [], gates = new Map(), place = new Map();
    for (const n of groups[group].nodes) { place.set(n, boxes.length); boxes.push({w: nodes[n].w, h: NODE_HEIGHT}); pins.push(0); }
    edges.forEach((e, i) => {
      if (groupOf[e.from] === group && groupOf[e.to] === group) {
        arrows.push({from: place.get(e.from), to: place.get(e.to), label: label(e)});
        inside.push(i);
      }
    });
    const gate = (node, side) => {
      const key = node + ' ' + side;
      if (gates.has(key) || dense) return;
      gates.set(key, arrows.length);
      const [from, to] = side === FIRST ? [boxes.length, place.get(node)] : [place.get(node), boxes.length];
      arrows.push({from, to, label: {w: 0, h: 0}});
      boxes.push({w: 0, h: 4}); pins.push(side);
    };
    crossing.forEach((i, k) => {
      const side = left[k] ? FIRST : LAST;
      if (groupOf[edges[i].from] === group) gate(edges[i].from, side);
      if (groupOf[edges[i].to] === group) gate(edges[i].to, -side);
    });
    return Object.assign(layered(boxes, arrows, pins, dense), {inside, gates, place});
  }

  const outer = layered(sizes, between, groups.map(() => 0), dense);
  const scene = {w: outer.w, h: outer.h, dense, frames: [], nodes: [], paths: [], labels: []};
  const moved = (list, by) => list.map((p) => ({x: p.x + by.x, y: p.y + by.y}));
  groups.forEach((g, i) => {
    const box = outer.boxes[i];
    if (!inner[i]) { scene.nodes[g.nodes[0]] = box; return; }
    scene.frames.push(Object.assign({name: g.name}, box));
    const by = {x: box.x + FRAME_PAD, y: box.y + FRAME_TITLE};
    for (const n of g.nodes) {
      const r = inner[i].boxes[inner[i].place.get(n)];
      scene.nodes[n] = {x: r.x + by.x, y: r.y + by.y, w: r.w, h: r.h};
    }
    inner[i].inside.forEach((e, k) => {
      scene.paths[e] = moved(inner[i].routes[k], by);
      if (inner[i].labels[k]) scene.labels[e] = moved([inner[i].labels[k]], by)[0];
    });
  });
  if (dense) {
    edges.forEach((e, i) => { scene.paths[i] = straight(scene.nodes[e.from], scene.nodes[e.to], e.shift); });
    return scene;
  }
  const toGate = (node, side, backwards) => {
    const i = groupOf[node];
    if (!inner[i]) return [];
    const box = outer.boxes[i];
    const out = moved(inner[i].routes[inner[i].gates.get(node + ' ' + side)], {x: box.x + FRAME_PAD, y: box.y + FRAME_TITLE});
    return backwards ? out.reverse() : out;
  };
  crossing.forEach((i, k) => {
    const leave = left[k] ? FIRST : LAST, enter = -leave;
    scene.paths[i] = [...toGate(edges[i].from, leave, leave === FIRST), ...outer.routes[k], ...toGate(edges[i].to, enter, enter === LAST)];
    scene.labels[i] = outer.labels[k];
  });
  return scene;
}

// straight joins two boxes on the sides that face each other.
function straight(a, b, shift) {
  const ay = a.y + a.h / 2, by = b.y + b.h / 2;
  if (a.x + a.w < b.x) return [{x: a.x + a.w, y: ay - 6 + shift}, {x: b.x, y: by - 6 + shift}];
  if (b.x + b.w < a.x) return [{x: a.x, y: ay + 6 + shift}, {x: b.x + b.w, y: by + 6 + shift}];
  return [{x: a.x + a.w, y: ay + shift}, {x: Math.max(a.x + a.w, b.x + b.w) + 24, y: (ay + by) / 2}, {x: b.x + b.w, y: by + shift}];
}

// curve is a smooth line through points, level at each of them.
function curve(points) {
  return points.map((p, i) => {
    if (i === 0) return `M${p.x.toFixed(1)} ${p.y.toFixed(1)}`;
    const q = points[i - 1], m = ((p.x + q.x) / 2).toFixed(1);
    if (Math.abs(p.y - q.y) < 0.5) return `L${p.x.toFixed(1)} ${p.y.toFixed(1)}`;
    return `C${m} ${q.y.toFixed(1)} ${m} ${p.y.toFixed(1)} ${p.x.toFixed(1)} ${p.y.toFixed(1)}`;
  }).join('');
}
