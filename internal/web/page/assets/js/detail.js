// All about one connection, below its line.

const fact = (name, ...value) => h('div', {}, h('dt', {}, name), h('dd', {}, value));
const yes = (v) => (v === null || v === undefined ? 'not known' : v ? 'yes' : 'no');

function negotiatedFacts(n) {
  const all = [];
  if (n.keep) {
    all.push(fact('keep (RFC 6223)', n.keep.agreed ? 'agreed: every ' + duration(n.keep.seconds) + ' or sooner, ' + n.keep.direction : n.keep.agreed === false ? 'offered, refused' : 'offered, no clear answer',
      n.keep.scope && ', for the ' + n.keep.scope, n.keep.until && ', until ' + clock(n.keep.until)));
  }
  if (n.outbound) all.push(fact('outbound (RFC 5626)', n.outbound.agreed ? 'agreed' : 'offered', n.outbound.flow_timer_seconds && ', Flow-Timer ' + n.outbound.flow_timer_seconds + ' s'));
  if (n.alias) all.push(fact('alias (RFC 5923)', 'offered by ' + n.alias.offered_by + ' for ', h('span', { class: 'address' }, n.alias.sent_by), ': ' + n.alias.outcome, !n.alias.tls && '; without TLS it has no meaning'));
  if (n.persistent) {
    const p = n.persistent;
    all.push(fact('persistent', 'offered by ' + p.offered_by + ': ' + p.outcome, p.timeout_seconds !== null && ', ' + duration(p.timeout_seconds), p.min_persistence_seconds !== null && ', at least ' + duration(p.min_persistence_seconds), p.until && ', until ' + clock(p.until)));
  }
  return all;
}

function facts(line) {
  const k = line.keepalives;
  const where = line.container || {};
  return h('dl', { class: 'facts' },
    fact('Connection', line.id + ', ' + line.transport + ', peer ' + line.peer),
    fact('This end', h('span', { class: 'address' }, line.local), line.process && h('span', {}, ', ' + line.process.name + ' (pid ' + line.process.pid + ')')),
    (where.pod || where.name || where.id) && fact('Container', [where.namespace && where.pod ? where.namespace + '/' + where.pod : '', where.name, where.id && where.id.slice(0, 12)].filter(Boolean).join(', ')),
    fact('Opened', line.opened ? day(line.opened) + ' by ' + line.initiator : 'before the observation, or never'),
    line.close && fact('Ended', (line.closed ? day(line.closed) + ' ' : '') + ending(line.close), line.close.pending_transactions > 0 && ', ' + line.close.pending_transactions + ' pending'),
    line.handshake_seconds !== null && fact('Handshake', duration(line.handshake_seconds)),
    line.srtt_seconds !== null && fact('Round trip', duration(line.srtt_seconds)),
    fact('Transactions', count(line.transactions), line.requests_back !== null && ', ' + count(line.requests_back) + ' back', !line.close && ', ' + line.pending_transactions + ' pending'),
    fact('Retransmitted', many(line.messages.retransmissions, 'message') + ', ' + many(line.retransmits, 'segment')),
    line.messages.malformed > 0 && fact('Malformed', many(line.messages.malformed, 'message')),
    line.lost_bytes > 0 && fact('Not seen', bytes(line.lost_bytes)),
    k.interval_seconds && fact('Between keep-alives', duration(k.interval_seconds.min) + ' to ' + duration(k.interval_seconds.max) + ', median ' + duration(k.interval_seconds.median)),
    negotiatedFacts(line.negotiated));
}

function wentOver(line) {
  if (!line.history) return null;
  const life = instants(line);
  const rows = [];
  let before = null;
  for (const m of life.marks) {
    if (m.gap) rows.push(h('tr', {}, h('td', { colspan: 4, class: 'quiet' }, '… ' + count(life.left) + ' are not kept …')));
    rows.push(h('tr', {}, h('td', {}, clock(m.t)), h('td', { class: 'number' }, before === null || m.gap ? '' : '+' + duration((m.t - before) / 1000)), h('td', {}, m.from), h('td', {}, what(m))));
    before = m.t;
  }
  return h('details', {}, h('summary', { 'data-key': 'went-' + line.id }, 'What went over it, as a list'),
    h('div', { class: 'went', tabindex: 0, role: 'region', 'aria-label': 'What went over it' }, h('table', {}, h('caption', { class: 'unseen' }, 'What went over ' + line.id), h('thead', {}, h('tr', {}, ['Time', 'After', 'From', 'What'].map((t) => h('th', { scope: 'col' }, t)))), h('tbody', {}, rows))));
}

function detailRow(line, page, state, columns) {
  const found = line.findings.map((i) => page.findings[i]);
  const linear = state.scale === 'linear';
  const width = Math.max(320, Math.min(1500, (byID('list').clientWidth || 900) - 60));
  return h('tr', { class: 'detail', 'data-id': 'detail-' + line.id }, h('td', { colspan: columns },
    h('div', { class: 'inside' },
      h('div', {}, h('h2', {}, 'Its life'), lifeOf(line, page.at, { width, large: true, found, linear }), legend(),
        h('p', { class: 'quiet' }, linear ? 'Distances are in proportion to time. ' : 'Distances grow with the logarithm of time. ',
          h('button', { type: 'button', 'data-key': 'scale', on: { click: () => go({ scale: linear ? '' : 'linear' }, true) } }, linear ? 'By logarithm' : 'In proportion')),
        wentOver(line)),
      h('div', {}, h('h2', {}, 'Used as ' + line.class.observed), h('ul', { class: 'because' }, line.class.because.map((b) => h('li', {}, b)))),
      facts(line),
      h('div', {}, h('h2', {}, found.length ? many(found.length, 'finding') : 'No findings'), found.map((f) => findingBox(f, false))))));
}
