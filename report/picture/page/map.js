// The map: what the page can do beyond its tables. Everything is in the page; names
// reach the document as text only (textContent, setAttribute), never as markup.
(() => {
  const data = JSON.parse(document.getElementById('graph').textContent);
  const $ = (id) => document.getElementById(id);
  const svg = $('canvas'), world = $('world'), panel = $('panel'), search = $('search'), picker = $('view');
  const namespaces = [...new Set(data.nodes.filter((n) => n.ns).map((n) => n.ns))];
  const READABLE = 0.55; // the smallest scale at which names can be read
  const hidden = new Set();
  let onlyChanged = false, onlyViolations = false;
  let looking = {kind: 'all'}, folded = new Set();
  let shown = {nodes: [], edges: []}, view = {x: 0, y: 0, k: 1}, scene = null, selected = null, fitted = true, printing = false;

  function element(name, attributes, ...children) {
    const e = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
    e.append(...children);
    return e;
  }
  function html(name, attributes, ...children) {
    const e = document.createElement(name);
    for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
    e.append(...children);
    return e;
  }
  const pen = document.createElement('canvas').getContext('2d');
  function widthOf(text, size, bold) {
    pen.font = `${bold ? '600 ' : ''}${size}px ${getComputedStyle(document.body).fontFamily}`;
    return pen.measureText(text).width;
  }
  const off = (e) => hidden.has(STATES[e.s]) || (onlyChanged && !e.c) || (onlyViolations && !e.v);
  const fold = () => foldGraph(data, looking, folded, off, widthOf);

  const marker = (e) => (e.state === 'blocked' ? 'to-blocked' + (e.violates.size ? '-forbidden' : '') : 'to-' + meaning(e));
  const lineOf = (e) => ['m-' + meaning(e), e.state, e.change].filter(Boolean).join(' ');
  const says = (e) => `${shown.nodes[e.from].name} to ${shown.nodes[e.to].name}: ${e.label}, ${wordsOf(e)}${e.violates.size ? ', violates ' + [...e.violates].join(', ') : ''}`;
  // place is a box by its name where it stands alone, with its namespace.
  const place = (n) => (n.ns && !n.namespace ? n.ns + '/' + n.title : n.title);

  function pressable(g, label, act) {
    g.setAttribute('tabindex', '0');
    g.setAttribute('role', 'button');
    g.setAttribute('aria-label', label);
    g.addEventListener('click', (ev) => { if (!dragged) act(); ev.stopPropagation(); });
    g.addEventListener('keydown', (ev) => { if (ev.key === 'Enter' || ev.key === ' ') { act(); ev.preventDefault(); ev.stopPropagation(); } });
    return g;
  }

  function draw(refit) {
    shown = fold();
    scene = arrange(shown.nodes, shown.edges);
    selected = null;
    const frames = element('g'), edges = element('g'), labels = element('g'), nodes = element('g');
    for (const f of scene.frames) {
      const title = element('text', {x: f.x + 18, y: f.y + 18});
      title.textContent = f.name;
      const sign = element('text', {x: f.x + f.w - 18, y: f.y + 18, class: 'fold'});
      sign.textContent = '–';
      const g = element('g', {class: 'frame'}, element('rect', {x: f.x, y: f.y, width: f.w, height: f.h, rx: 10}),
        pressable(element('g', {class: 'bar'}, element('rect', {x: f.x, y: f.y, width: f.w, height: 25, rx: 10}), title, sign), `Namespace ${f.name}, close`, () => toggle(f.name)));
      frames.append(g);
    }
    shown.edges.forEach((e, i) => {
      const d = curve(scene.paths[i]);
      const tip = element('title');
      tip.textContent = says(e);
      e.g = pressable(element('g', {class: 'edge ' + lineOf(e)}, tip, element('path', {d, 'marker-end': `url(#${marker(e)})`}), element('path', {d, class: 'hit'})), says(e), () => pickEdge(e));
      edges.append(e.g);
      const at = scene.labels[i];
      if (at && !scene.dense) {
        const text = element('text', {x: at.x, y: at.y + 4});
        text.textContent = e.label;
        e.tag = element('g', {class: 'label ' + lineOf(e), 'aria-hidden': 'true'}, element('rect', {x: at.x - e.labelWidth / 2 - 3, y: at.y - 8, width: e.labelWidth + 6, height: 16, rx: 3}), text);
        e.tag.addEventListener('click', (ev) => { if (!dragged) pickEdge(e); ev.stopPropagation(); });
        labels.append(e.tag);
      }
    });
    shown.nodes.forEach((n, i) => {
      const r = scene.nodes[i];
      const tip = element('title'), name = element('text', {class: 'name', x: r.x + r.w / 2, y: r.y + 19}), small = element('text', {class: 'small', x: r.x + r.w / 2, y: r.y + 35});
      tip.textContent = [n.name, ...(n.isolation || [])].join('\n');
      name.textContent = shorten(n.title, 30);
      small.textContent = n.sub;
      n.g = element('g', {class: 'node' + (n.outside ? ' outside' : n.namespace ? ' namespace' : '') + (n.bad ? ' bad' : '')}, tip);
      if (n.namespace) n.g.append(element('rect', {x: r.x + 4, y: r.y - 4, width: r.w, height: r.h, rx: 6}));
      n.g.append(element('rect', {class: 'body', x: r.x, y: r.y, width: r.w, height: r.h, rx: n.outside ? r.h / 2 : 6}));
      (n.gates || []).forEach((gate, side) => { if (gate) n.g.append(element('path', {class: 'gate ' + gate, d: `M${r.x + 4 + side * (r.w - 8)} ${r.y + 8}V${r.y + r.h - 8}`})); });
      n.g.append(name, small);
      pressable(n.g, tip.textContent, () => pickNode(n));
      n.g.addEventListener('dblclick', () => { if (n.namespace && n.ns) toggle(n.ns); });
      nodes.append(n.g);
    });
    world.replaceChildren(frames, edges, nodes, labels);
    // Many lines are faint, so that they can be told apart; few are at full strength.
    svg.classList.toggle('crowd', shown.edges.length > 250);
    count();
    find();
    if (refit) fit();
    closePanel();
    const open = shown.nodes.some((n) => n.ns && !n.namespace);
    $('fold-all').hidden = namespaces.length === 0 || shown.nodes.every((n) => !n.ns);
    $('fold-all').textContent = open ? 'Close namespaces' : 'Open namespaces';
    svg.dataset.nodes = shown.nodes.length;
    svg.dataset.edges = shown.edges.length;
  }

  // toggle opens or closes a namespace, and keeps it where it is on the screen.
  function toggle(ns) {
    const where = () => {
      const i = shown.nodes.findIndex((n) => n.ns === ns);
      const r = scene.frames.find((f) => f.name === ns) || scene.nodes[i];
      return {x: r.x + r.w / 2, y: r.y};
    };
    const before = where();
    if (!folded.delete(ns)) folded.add(ns);
    draw(false);
    const after = where();
    view.x += (before.x - after.x) * view.k;
    view.y += (before.y - after.y) * view.k;
    if (fitted) fit(); else move();
    const n = shown.nodes.find((x) => x.ns === ns);
    n.g.focus({preventScroll: true});
  }

  // count says what is in sight, and what is not.
  function count() {
    const paths = shown.edges.reduce((sum, e) => sum + e.count, 0) + shown.nodes.reduce((sum, n) => sum + (n.inside || 0), 0);
    const closed = shown.nodes.filter((n) => n.namespace && n.ns).length;
    const all = data.edges.reduce((sum, e) => sum + (e.n || 1), 0);
    $('shown').textContent = (paths === all ? plural(paths, 'path') : `${paths} of ${plural(all, 'path')}`) + ' shown' +
      (shown.hidden ? `, ${plural(shown.hidden, 'box').replace(/xs$/, 'xes')} hidden with their lines` : '') +
      (closed ? `, ${plural(closed, 'namespace')} closed: a double click opens one` : '');
  }

  // find dims what the search does not name.
  function find() {
    const text = search.value.trim().toLowerCase();
    const hit = (n) => n.name.toLowerCase().includes(text) || n.members.some((m) => data.nodes[m].name.toLowerCase().includes(text));
    const hits = text ? shown.nodes.filter(hit) : [];
    for (const n of shown.nodes) n.g.classList.toggle('dim', text !== '' && !hits.includes(n));
    for (const e of shown.edges) {
      const dim = text !== '' && !hits.includes(shown.nodes[e.from]) && !hits.includes(shown.nodes[e.to]);
      e.g.classList.toggle('dim', dim);
      if (e.tag) e.tag.classList.toggle('dim', dim);
    }
    $('hits').textContent = text ? plural(hits.length, 'match').replace(/hs$/, 'hes') : '';
    return hits;
  }
  function goTo() {
    const text = search.value.trim().toLowerCase();
    if (!text) return;
    const named = (n) => n.name.toLowerCase().includes(text);
    let hits = find().filter((n) => named(n) || !n.namespace);
    if (!hits.length) { // it is not in sight: in a closed namespace, or beyond what is looked at
      const i = data.nodes.findIndex(named);
      if (i < 0) return;
      const closed = find().find((n) => n.members.includes(i));
      if (closed && closed.members.length <= data.manyNodes) { folded.delete(closed.ns); draw(true); } else look({kind: 'node', node: i});
      hits = find().filter((n) => n.members.includes(i));
    }
    if (hits.length) centre(hits[0]);
  }
  function centre(n) {
    const r = scene.nodes[shown.nodes.indexOf(n)];
    view.k = Math.max(view.k, 0.9);
    view.x = svg.clientWidth / 2 - (r.x + r.w / 2) * view.k;
    view.y = svg.clientHeight / 2 - (r.y + r.h / 2) * view.k;
    move();
    n.g.focus({preventScroll: true});
    pickNode(n);
  }

  // look shows a part of the graph. What is still too large is drawn by namespace.
  function look(next) {
    looking = next;
    folded = new Set();
    const alone = next.kind === 'namespace' ? next.ns : next.kind === 'node' ? data.nodes[next.node].ns : undefined;
    const all = () => { folded = new Set(namespaces.filter((ns) => ns !== alone)); };
    if (next.kind === 'namespaces' || next.kind === 'namespace') all();
    else if (next.kind === 'all') { if (data.nodes.length > data.limit) all(); } else {
      const part = fold();
      if (part.nodes.length > data.manyNodes || part.edges.length > data.manyEdges) all();
    }
    const at = next.kind === 'namespace' ? 'namespace ' + next.ns : next.kind;
    const around = picker.querySelector('option[value=part]');
    around.hidden = !['node', 'edges'].includes(at);
    around.textContent = next.kind === 'node' ? 'Around ' + place(data.nodes[next.node]) : next.title || 'Part';
    picker.value = around.hidden ? at : 'part';
    draw(true);
  }
  // opening is the view that a page begins with: of what is large, what matters.
  function opening() {
    if (data.nodes.length <= data.manyNodes && data.edges.length <= data.manyEdges) return {kind: 'all'};
    if (data.edges.some((e) => e.c)) return {kind: 'changed'};
    if (data.edges.some((e) => e.v)) return {kind: 'violations'};
    return {kind: namespaces.length > 1 ? 'namespaces' : 'all'};
  }
  function fillPicker() {
    const option = (value, text) => html('option', {value}, text);
    const number = (which) => data.edges.filter(which).length;
    if (number((e) => e.c)) picker.append(option('changed', `What changed (${number((e) => e.c)})`));
    if (number((e) => e.v)) picker.append(option('violations', `Violations (${number((e) => e.v)})`));
    picker.append(option('all', 'Everything'));
    if (namespaces.length > 1) picker.append(option('namespaces', `Namespaces (${namespaces.length})`));
    picker.append(option('part', 'Part'));
    if (namespaces.length > 1) picker.append(html('optgroup', {label: 'One namespace'}, ...namespaces.map((ns) => option('namespace ' + ns, ns))));
    picker.addEventListener('change', () => {
      const [kind, ns] = [picker.value.split(' ', 1)[0], picker.value.slice(10)];
      if (kind !== 'part') look(kind === 'namespace' ? {kind, ns} : {kind});
    });
  }

  // spotlight keeps what belongs to the selection and dims the rest.
  function spotlight(edges, nodes) {
    const on = new Set(edges.map((e) => e.g));
    svg.classList.toggle('spot', edges.length + nodes.length > 0);
    for (const e of shown.edges) { e.g.classList.toggle('on', on.has(e.g)); if (e.tag) e.tag.classList.toggle('on', on.has(e.g)); }
    const near = new Set(nodes);
    for (const e of edges) { near.add(shown.nodes[e.from]); near.add(shown.nodes[e.to]); }
    for (const n of shown.nodes) n.g.classList.toggle('on', near.has(n));
  }

  function openPanel(title, ...content) {
    const close = html('button', {type: 'button', class: 'close', 'aria-label': 'Close'}, '×');
    close.addEventListener('click', closePanel);
    panel.replaceChildren(close, html('h2', {}, title), ...content);
    panel.hidden = false;
  }
  function closePanel() {
    const back = selected;
    panel.hidden = true;
    panel.replaceChildren();
    selected = null;
    if (shown.nodes.length && shown.nodes[0].g) spotlight([], []);
    if (back && document.activeElement === document.body) back.g.focus({preventScroll: true});
  }
  const tag = (e) => html('span', {class: 'tag ' + lineOf(e)}, (e.violates.size ? '! ' : '') + wordsOf(e));

  // because is a list of reasons: the netpols and rules on each side.
  function because(i) {
    const e = data.edges[i];
    const list = html('ul', {class: 'because'});
    for (const [side, texts] of data.whys[e.w] || []) list.append(html('li', {}, html('b', {}, side), ': ' + texts.join(', ')));
    const out = [html('p', {class: 'ports'}, data.ports[e.p]), list];
    if ((e.v || []).length) out.push(html('p', {class: 'violates'}, 'Violates ' + e.v.join(', ')));
    return out;
  }
  function pickEdge(e) {
    openPanel(`${place(shown.nodes[e.from])} → ${place(shown.nodes[e.to])}`);
    selected = e;
    panel.append(html('p', {}, tag(e)));
    for (const i of e.members.slice(0, 100)) {
      const x = data.edges[i];
      const part = html('section', {}, html('p', {class: 'ends'}, `${data.nodes[x.f].name} → ${data.nodes[x.t].name}`), ...because(i));
      panel.append(part);
    }
    if (e.members.length > 100) panel.append(html('p', {}, `and ${e.members.length - 100} more: open the namespaces to see them`));
    spotlight([e], []);
  }
  function pickNode(n) {
    openPanel(n.name);
    selected = n;
    for (const text of n.isolation || []) panel.append(html('p', {}, text));
    if (!n.namespace && n.members.length === 1) {
      const b = html('button', {type: 'button', class: 'around'}, 'Only this and its neighbours');
      b.addEventListener('click', () => { look({kind: 'node', node: n.members[0]}); pickNode(shown.nodes.find((x) => x.members[0] === n.members[0])); });
      panel.append(html('p', {}, b));
    }
    if (n.ns) {
      const b = html('button', {type: 'button', class: 'toggle'}, n.namespace ? 'Open this namespace' : `Close namespace ${n.ns}`);
      b.addEventListener('click', () => toggle(n.ns));
      panel.append(html('p', {}, b));
    }
    const at = shown.nodes.indexOf(n), mine = shown.edges.filter((e) => e.from === at || e.to === at);
    for (const [title, list] of [['To', mine.filter((e) => e.from === at)], ['From', mine.filter((e) => e.to === at)]]) {
      if (!list.length) continue;
      panel.append(html('h3', {}, title));
      const ul = html('ul', {class: 'edges'});
      for (const e of list) {
        const other = shown.nodes[title === 'To' ? e.to : e.from];
        const b = html('button', {type: 'button'}, `${place(other)}: ${e.label} `, tag(e));
        b.addEventListener('click', () => pickEdge(e));
        ul.append(html('li', {}, b));
      }
      panel.append(ul);
    }
    spotlight(mine, [n]);
  }

  // The view: pan and zoom.
  function move() {
    fitted = false;
    world.setAttribute('transform', `translate(${view.x.toFixed(2)} ${view.y.toFixed(2)}) scale(${view.k.toFixed(4)})`);
    svg.dataset.zoom = view.k.toFixed(3);
  }
  // fit shows all of the map, or of one that could not be read then, what matters.
  function fit(whole) {
    const w = svg.clientWidth, h = svg.clientHeight;
    if (!w || !h || !scene || printing) return;
    const all = Math.min((w - 48) / scene.w, (h - 48) / scene.h, 1.25);
    view.k = whole === true ? all : Math.max(all, READABLE);
    const at = heart();
    // An axis on which the map fits is centred; on another the heart of it is in sight.
    const place = (room, size, middle) => (size * view.k <= room - 16 ? (room - size * view.k) / 2
      : Math.min(24, Math.max(room - 24 - size * view.k, room / 2 - middle * view.k)));
    view.x = place(w, scene.w, at.x);
    view.y = place(h, scene.h, at.y);
    move();
    fitted = true;
  }
  // heart is where the worst line ends: what violates, or else what changed.
  function heart() {
    const e = shown.edges.find((x) => x.violates.size) || shown.edges.find((x) => x.change);
    const r = e ? scene.nodes[e.to] : {x: 0, y: 0, w: scene.w, h: scene.h};
    return {x: r.x + r.w / 2, y: r.y + r.h / 2};
  }
  function zoom(by, x = svg.clientWidth / 2, y = svg.clientHeight / 2) {
    const k = Math.min(Math.max(view.k * by, 0.05), 4);
    view.x = x - (x - view.x) * k / view.k;
    view.y = y - (y - view.y) * k / view.k;
    view.k = k;
    move();
  }
  svg.addEventListener('wheel', (ev) => {
    const box = svg.getBoundingClientRect();
    zoom(Math.exp(-ev.deltaY * (ev.deltaMode ? 0.05 : 0.0015)), ev.clientX - box.left, ev.clientY - box.top);
    ev.preventDefault();
  }, {passive: false});
  // One finger moves the map, two zoom it.
  let drag = null, dragged = false, pinch = 0;
  const fingers = new Map();
  const span = () => {
    const [a, b] = [...fingers.values()], box = svg.getBoundingClientRect();
    return {apart: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2 - box.left, y: (a.y + b.y) / 2 - box.top};
  };
  svg.addEventListener('pointerdown', (ev) => {
    fingers.set(ev.pointerId, {x: ev.clientX, y: ev.clientY});
    if (fingers.size === 2) { pinch = span().apart; drag = null; dragged = true; }
  });
  svg.addEventListener('pointerdown', (ev) => { if (ev.button === 0 && fingers.size === 1) { drag = {x: ev.clientX - view.x, y: ev.clientY - view.y, from: [ev.clientX, ev.clientY]}; dragged = false; } });
  window.addEventListener('pointermove', (ev) => {
    if (fingers.has(ev.pointerId)) fingers.set(ev.pointerId, {x: ev.clientX, y: ev.clientY});
    if (pinch && fingers.size === 2) {
      const now = span();
      zoom(now.apart / pinch, now.x, now.y);
      pinch = now.apart;
      return;
    }
    if (!drag) return;
    if (!dragged && Math.hypot(ev.clientX - drag.from[0], ev.clientY - drag.from[1]) < 4) return;
    dragged = true;
    svg.classList.add('dragging');
    view.x = ev.clientX - drag.x; view.y = ev.clientY - drag.y;
    move();
  });
  for (const end of ['pointerup', 'pointercancel']) {
    window.addEventListener(end, (ev) => { fingers.delete(ev.pointerId); if (fingers.size < 2) pinch = 0; drag = null; svg.classList.remove('dragging'); });
  }
  svg.addEventListener('click', () => { if (!dragged) closePanel(); });
  const PAN = {ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60]};
  $('map').addEventListener('keydown', (ev) => {
    if (ev.target.tagName === 'INPUT' || ev.ctrlKey || ev.metaKey || ev.altKey) return;
    if (PAN[ev.key]) { view.x += PAN[ev.key][0]; view.y += PAN[ev.key][1]; move(); } else if (ev.key === '+' || ev.key === '=') zoom(1.25);
    else if (ev.key === '-') zoom(0.8);
    else if (ev.key === '0') fit(true);
    else return;
    ev.preventDefault();
  });
  document.addEventListener('keydown', (ev) => {
    if (ev.key === '/' && !['INPUT', 'SELECT'].includes(document.activeElement.tagName)) { show('map'); search.focus(); search.select(); ev.preventDefault(); }
    if (ev.key === 'Escape') { if (document.activeElement === search && search.value) { search.value = ''; find(); } else closePanel(); }
  });
  // What gets the focus by the keyboard comes into sight.
  world.addEventListener('focusin', (ev) => {
    if (!ev.target.matches(':focus-visible')) return;
    const box = svg.getBoundingClientRect(), r = ev.target.getBoundingClientRect();
    const dx = r.right < box.left + 20 || r.left > box.right - 20, dy = r.bottom < box.top + 20 || r.top > box.bottom - 20;
    if (dx) view.x += box.left + box.width / 2 - (r.left + r.width / 2);
    if (dy) view.y += box.top + box.height / 2 - (r.top + r.height / 2);
    if (dx || dy) move();
  });

  $('zoom-in').addEventListener('click', () => zoom(1.25));
  $('zoom-out').addEventListener('click', () => zoom(0.8));
  $('zoom-fit').addEventListener('click', () => fit(true));
  $('fold-all').addEventListener('click', () => {
    if (shown.nodes.some((n) => n.ns && !n.namespace)) namespaces.forEach((ns) => folded.add(ns)); else folded.clear();
    draw(true);
  });
  search.addEventListener('input', find);
  search.addEventListener('keydown', (ev) => { if (ev.key === 'Enter') { goTo(); ev.preventDefault(); } });
  for (const box of document.querySelectorAll('#filters input')) {
    box.addEventListener('change', () => {
      if (box.name === 'changed') onlyChanged = box.checked;
      else if (box.name === 'violations') onlyViolations = box.checked;
      else if (box.checked) hidden.delete(box.name); else hidden.add(box.name);
      draw(fitted);
    });
  }
  $('more').addEventListener('click', () => {
    const open = $('map').classList.toggle('tools');
    $('more').setAttribute('aria-expanded', String(open));
  });

  // What is listed is searched, and leads to the map.
  for (const box of document.querySelectorAll('.sieve input')) {
    const rows = [...$(box.name).querySelectorAll('details, .findings > li')], says = box.closest('.sieve').querySelector('output');
    box.addEventListener('input', () => {
      const text = box.value.trim().toLowerCase();
      let n = 0;
      for (const row of rows) { row.hidden = text !== '' && !row.textContent.toLowerCase().includes(text); n += row.hidden ? 0 : 1; }
      says.textContent = text ? `${n} of ${rows.length}` : '';
    });
  }
  function showOnMap(list) {
    const edges = new Set(list.filter((i) => i >= 0 && i < data.edges.length));
    if (!edges.size) return;
    const first = data.edges[[...edges][0]];
    const title = edges.size === 1 ? `${place(data.nodes[first.f])} → ${place(data.nodes[first.t])}` : plural(edges.size, 'connection');
    hidden.clear();
    onlyChanged = onlyViolations = false;
    for (const box of document.querySelectorAll('#filters input')) box.checked = !['changed', 'violations'].includes(box.name);
    show('map');
    look({kind: 'edges', edges, title});
    if (shown.edges.length === 1) pickEdge(shown.edges[0]);
  }

  // Paper holds the map as a whole, wherever it was moved on the screen, and lies on its side
  // under a map that is wide: upright its letters would be too small to read.
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [sheet];
  window.addEventListener('beforeprint', () => {
    printing = true;
    sheet.replaceSync(scene.w > 1.2 * scene.h ? '@page { size: landscape; } @media print { #canvas { max-height: 135mm; } }' : '');
    svg.setAttribute('viewBox', `-12 -12 ${scene.w + 24} ${scene.h + 24}`);
    world.removeAttribute('transform');
  });
  window.addEventListener('afterprint', () => { printing = false; sheet.replaceSync(''); svg.removeAttribute('viewBox'); if (fitted) fit(); else move(); });

  // The sections are tabs. Without this script they stand one below the other.
  const tabs = [...document.querySelectorAll('main > section')].map((s) => s.id);
  function show(id) {
    for (const t of tabs) $(t).classList.toggle('shown', t === id);
    for (const a of document.querySelectorAll('nav a')) { if (a.hash === '#' + id) a.setAttribute('aria-current', 'page'); else a.removeAttribute('aria-current'); }
    if (id === 'map' && !svg.dataset.zoom) fit();
  }
  function follow() {
    if (location.hash.startsWith('#map=')) { showOnMap(location.hash.slice(5).split('.').map((x) => x - 1)); return; }
    const id = location.hash.slice(1), target = id && $(id);
    if (!target) { show('map'); return; }
    const section = target.closest('main > section');
    if (!section) { show('map'); return; }
    show(section.id);
    if (target.tagName === 'DETAILS') { target.open = true; target.scrollIntoView({block: 'center'}); target.querySelector('summary').focus(); }
  }
  window.addEventListener('hashchange', follow);
  // Who has not moved the map sees all of it, beside the panel and in any window.
  new ResizeObserver(() => { if (fitted) fit(); }).observe(svg);
  document.documentElement.classList.add('js');
  fillPicker();
  look(opening());
  follow();
  fit();
})();
