// The picture of a connection's life: when it was opened, what went over it,
// the keep-alives that were promised and those that came, and its end.
//
// A life may have a hundred messages in its first second and one in the next
// hour. So distances grow with the logarithm of the time between two marks;
// in proportion to it, if that is asked for.

function instants(line, at) {
  const past = line.history;
  const ms = (t) => (t ? Date.parse(t) : null);
  const since = past ? ms(past.since) : null;
  const marks = past ? past.marks.map((m, i) => ({ ...m, t: since + m.at * 1000, gap: past.left_out > 0 && i === past.first })) : [];
  const begin = ms(line.opened) ?? since ?? (marks.length ? marks[0].t : null);
  if (begin === null) return null;
  const last = marks.length ? marks[marks.length - 1].t : begin;
  const end = Math.max(ms(line.closed) ?? ms(at), last, begin + 1);
  return { begin: Math.min(begin, marks.length ? marks[0].t : begin), end, marks, left: past ? past.left_out : 0 };
}

// scaleOf returns what puts a time at its place between 0 and 1.
function scaleOf(life, linear) {
  const times = [...new Set([life.begin, ...life.marks.map((m) => m.t), life.end])].sort((a, b) => a - b);
  const places = [0];
  for (let i = 1; i < times.length; i++) {
    const gap = times[i] - times[i - 1];
    places.push(places[i - 1] + (linear ? gap : Math.log1p(gap / 5)));
  }
  const whole = places[places.length - 1] || 1;
  return (t) => {
    let i = times.findIndex((u) => u >= t);
    if (i < 0) i = times.length - 1;
    if (i === 0 || times[i] === t) return places[i] / whole;
    const part = (t - times[i - 1]) / (times[i] - times[i - 1]);
    return (places[i - 1] + part * (places[i] - places[i - 1])) / whole;
  };
}

// promised is who is to send keep-alives, and at least how often.
function promised(line) {
  const { keep, outbound } = line.negotiated;
  if (keep && keep.agreed && keep.seconds && keep.direction !== 'unknown') {
    return { from: keep.direction === 'local-sends' ? 'local' : 'remote', seconds: keep.seconds };
  }
  if (outbound && outbound.agreed && outbound.flow_timer_seconds && line.initiator !== 'unknown') {
    return { from: line.initiator, seconds: outbound.flow_timer_seconds };
  }
  return null;
}

// duties are the times between keep-alives of who promised them.
function duties(line, life) {
  const p = promised(line);
  if (!p) return [];
  const all = [];
  let from = null;
  for (const m of life.marks) {
    if (m.gap) from = null;
    const beat = m.from === p.from && (m.kind === 'ping' || m.kind === 'stun-request' || m.kind === 'injected') && !m.again;
    if (beat && from !== null) all.push({ from, to: m.t, kind: m.t - from > p.seconds * 1000 ? 'late' : 'kept' });
    if (beat || (from === null && m.kind === 'response' && m.status >= 200 && m.status < 300)) from = m.t;
  }
  if (from !== null && life.end > from) {
    const late = life.end - from > p.seconds * 1000;
    all.push({ from, to: life.end, kind: late ? 'late' : 'due' });
  }
  return all.map((d) => ({ ...d, side: p.from, seconds: p.seconds }));
}

const what = (m) => [m.kind === 'injected' ? 'keep-alive, sent by viaduct' : m.kind === 'request' || m.kind === 'response' ? '' : m.kind, m.method || '', m.status || '', m.again ? '(again)' : ''].filter(Boolean).join(' ');

// shape draws one mark, centred; up says where the other end is.
function shape(m, r, up) {
  const side = m.from === 'local' || m.from === 'remote' ? m.from : 'unknown';
  const failed = m.kind === 'malformed' || (m.kind === 'response' && m.status >= 400 && m.status !== 401 && m.status !== 407);
  const style = side + (failed ? ' failed' : '') + (m.again ? ' again' : '');
  const d = up ? -r : r;
  switch (m.kind) {
    case 'request': return s('path', { class: 'solid ' + style, d: `M${-r} ${-d * 0.8}L${r} ${-d * 0.8}L0 ${d}Z` });
    case 'response': return s('circle', { class: (failed ? 'solid ' : 'hollow ') + style, r: r * 0.85 });
    case 'ping': return s('path', { class: 'solid ' + style, d: `M0 ${-r}L${r} 0L0 ${r}L${-r} 0Z` });
    case 'injected': return s('path', { class: 'solid unknown' + (m.again ? ' again' : ''), d: `M0 ${-r}L${r} 0L0 ${r}L${-r} 0Z` });
    case 'pong': return s('path', { class: 'hollow ' + style, d: `M0 ${-r}L${r} 0L0 ${r}L${-r} 0Z` });
    case 'stun-request': return s('rect', { class: 'solid ' + style, x: -r * 0.8, y: -r * 0.8, width: r * 1.6, height: r * 1.6 });
    case 'stun-response': return s('rect', { class: 'hollow ' + style, x: -r * 0.8, y: -r * 0.8, width: r * 1.6, height: r * 1.6 });
    case 'malformed': return s('path', { class: 'hollow ' + style, d: `M${-r} ${-r}L${r} ${r}M${-r} ${r}L${r} ${-r}` });
  }
  return s('circle', { class: 'hollow ' + style, r: r * 0.4 });
}

// told says in words what the picture shows.
function told(line, life) {
  const n = {};
  for (const m of life.marks) n[m.kind] = (n[m.kind] || 0) + 1;
  const parts = [line.opened ? 'opened ' + clock(line.opened) : 'older than the observation'];
  for (const [kind, number] of Object.entries(n)) parts.push(many(number, kind));
  if (life.left) parts.push(count(life.left) + ' more are not kept');
  const late = duties(line, life).filter((d) => d.kind === 'late').length;
  if (late) parts.push(many(late, 'keep-alive interval') + ' longer than promised');
  parts.push(line.close ? 'ended by ' + line.close.by + ' after ' + duration((life.end - life.begin) / 1000) : 'open for ' + duration((life.end - life.begin) / 1000));
  return parts.join(', ');
}

// life draws it: small for a line of the list, large with words beside it.
function lifeOf(line, at, options) {
  const life = instants(line, at);
  if (!life) return h('span', { class: 'quiet' }, '–');
  const { width, large, found } = options;
  const scale = scaleOf(life, options.linear);
  const left = large ? 62 : 5;
  const right = width - (large ? 16 : 8);
  const x = (t) => left + scale(t) * (right - left);
  const height = large ? 128 : 28;
  const lanes = large ? { local: 40, remote: 84, unknown: 62 } : { local: 8, remote: 20, unknown: 14 };
  const r = large ? 5 : 3;
  const svg = s('svg', { class: 'life ' + (large ? 'large' : 'small'), viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': told(line, life) });
  svg.setAttribute('width', width);
  svg.setAttribute('height', height);
  if (large) {
    for (const side of ['local', 'remote']) {
      svg.append(s('line', { class: 'lane', x1: left, x2: right, y1: lanes[side], y2: lanes[side] }), s('text', { class: 'name', x: 0, y: lanes[side] + 4 }, side));
    }
  }
  for (const d of duties(line, life)) {
    const y = lanes[d.side];
    svg.append(s('line', { class: 'promise ' + d.kind, x1: x(d.from), x2: x(d.to), y1: y, y2: y },
      s('title', {}, duration((d.to - d.from) / 1000) + ' of at most ' + duration(d.seconds) + (d.kind === 'late' ? ': longer than promised' : d.kind === 'due' ? ', not over yet' : ': kept'))));
  }
  const middle = lanes.unknown;
  svg.append(s('line', { class: 'spine' + (line.opened ? '' : ' unknown'), x1: left, x2: right, y1: middle, y2: middle }));
  svg.append(...ends(line, left, right, middle, r, large));
  for (const m of life.marks) {
    const g = s('g', { transform: `translate(${x(m.t).toFixed(1)} ${lanes[m.from] ?? middle})` }, s('title', {}, clock(m.t) + ' ' + m.from + ': ' + what(m)), shape(m, r, m.from === 'remote'));
    svg.append(g);
  }
  if (large) svg.append(...words(life, x, lanes, right));
  for (const f of found || []) {
    const t = Date.parse(f.time);
    if (t < life.begin || t > life.end) continue;
    svg.append(s('g', { transform: `translate(${x(t).toFixed(1)} ${large ? 110 : 27})` }, s('title', {}, f.rule + ': ' + f.summary), s('path', { class: 'found', d: `M${-r} 0L${r} 0L0 ${-1.6 * r}Z` })));
  }
  return svg;
}

function ends(line, left, right, y, r, large) {
  const tall = large ? 12 : 7;
  const all = [];
  if (line.opened) all.push(s('line', { class: 'cap', x1: left, x2: left, y1: y - tall, y2: y + tall }));
  if (!line.close) {
    all.push(s('path', { class: 'cap', d: `M${right - r} ${y - r}L${right + 1} ${y}L${right - r} ${y + r}` }));
  } else if (line.close.how === 'rst') {
    all.push(s('path', { class: 'cap rst', d: `M${right - r} ${y - r - 1}L${right + r} ${y + r + 1}M${right - r} ${y + r + 1}L${right + r} ${y - r - 1}` }));
  } else {
    all.push(s('line', { class: 'cap', x1: right, x2: right, y1: y - tall, y2: y + tall }));
  }
  return all;
}

// words names marks where there is room, and the times of the ends.
function words(life, x, lanes, right) {
  const all = [];
  const taken = { local: -99, remote: -99, time: 120 };
  for (const m of life.marks) {
    if (m.from !== 'local' && m.from !== 'remote') continue;
    const at = x(m.t);
    const word = ['ping', 'pong', 'injected'].includes(m.kind) ? '' : what(m);
    if (!word || at < taken[m.from]) continue;
    all.push(s('text', { x: at - 4, y: m.from === 'local' ? lanes.local - 11 : lanes.remote + 20 }, word));
    taken[m.from] = at + word.length * 6.4 + 8;
  }
  const gap = life.marks.findIndex((m) => m.gap);
  if (gap > 0) all.push(s('text', { x: Math.max(120, (x(life.marks[gap - 1].t) + x(life.marks[gap].t)) / 2), y: lanes.unknown - 4, 'text-anchor': 'middle' }, '… ' + count(life.left) + ' not kept …'));
  all.push(s('text', { x: 62, y: 124 }, clock(life.begin)), s('text', { x: right, y: 124, 'text-anchor': 'end' }, clock(life.end) + '  (+' + duration((life.end - life.begin) / 1000) + ')'));
  return all;
}

function legend() {
  const item = (m, text) => h('li', {}, s('svg', { viewBox: '-7 -7 14 14', class: 'life', 'aria-hidden': 'true' }, shape({ from: 'local', ...m }, 5, false)), ' ' + text);
  return h('ul', { class: 'legend' },
    item({ kind: 'request' }, 'request'), item({ kind: 'response', status: 200 }, 'response'), item({ kind: 'response', status: 500 }, 'refusal'),
    item({ kind: 'ping' }, 'keep-alive'), item({ kind: 'pong' }, 'its answer'), item({ kind: 'injected' }, 'sent by viaduct'), item({ kind: 'stun-request' }, 'STUN'),
    h('li', {}, s('svg', { viewBox: '-7 -7 14 14', class: 'life', 'aria-hidden': 'true' }, s('line', { class: 'promise kept', x1: -7, x2: 7, y1: 0, y2: 0 })), ' promise kept'),
    h('li', {}, s('svg', { viewBox: '-7 -7 14 14', class: 'life', 'aria-hidden': 'true' }, s('line', { class: 'promise late', x1: -7, x2: 7, y1: 0, y2: 0 })), ' longer than promised'),
    h('li', {}, s('svg', { viewBox: '-7 -10 14 14', class: 'life', 'aria-hidden': 'true' }, s('path', { class: 'found', d: 'M-5 0L5 0L0 -8Z' })), ' finding'));
}
