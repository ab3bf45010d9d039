// The list of connections.

const shortClass = { persistent: 'persistent', 'bidirectional-ephemeral': 'bidirectional', 'unidirectional-ephemeral': 'unidirectional', undetermined: 'undetermined' };

const connectionColumns = [
  { title: 'Remote' },
  { title: 'Findings', sort: 'findings' },
  { title: 'Process', hint: 'and this end' },
  { title: 'Via' },
  { title: 'Used as' },
  { title: 'Agreed' },
  { title: 'Requests', sort: 'requests', number: true, hint: 'sent / received' },
  { title: 'Keep-alives', number: true, hint: 'sent / received' },
  { title: 'Bytes', sort: 'bytes', number: true },
  { title: 'Idle', sort: 'idle', number: true },
  { title: 'Life' },
];

function agreed(line) {
  const n = line.negotiated;
  const tags = [];
  const tag = (text, style, title) => tags.push(h('span', { class: 'tag ' + style, title }, text));
  if (n.keep) {
    if (n.keep.agreed) tag('keep ' + n.keep.seconds + ' s', 'agreed', 'RFC 6223, ' + n.keep.direction);
    else if (n.keep.agreed === false) tag('keep refused', 'refused', 'RFC 6223: offered, not taken');
    else tag('keep offered', '', 'RFC 6223: offered, no clear answer');
  }
  if (n.outbound) tag('outbound' + (n.outbound.flow_timer_seconds ? ' ' + n.outbound.flow_timer_seconds + ' s' : ''), n.outbound.agreed ? 'agreed' : '', 'RFC 5626' + (n.outbound.agreed ? '' : ': offered'));
  if (n.alias) tag('alias ' + n.alias.outcome, n.alias.used ? 'agreed' : '', 'RFC 5923' + (n.alias.tls ? '' : ': without TLS it has no meaning'));
  if (n.persistent) tag('persistent ' + n.persistent.outcome, ['agreed', 'honoured'].includes(n.persistent.outcome) ? 'agreed' : n.persistent.outcome === 'declined' ? 'refused' : '', 'draft-jain-sipping-persistent-conn-reqs');
  return tags.length ? tags : h('span', { class: 'quiet' }, '–');
}

function worst(line, findings) {
  const n = { violation: 0, advice: 0, info: 0 };
  for (const i of line.findings) n[findings[i].severity]++;
  const grave = ['violation', 'advice', 'info'].find((g) => n[g]);
  return grave ? h('span', { class: 'grave ' + grave, title: many(line.findings.length, 'finding') }, grave + (line.findings.length > 1 ? ' +' + (line.findings.length - 1) : '')) : h('span', { class: 'quiet' }, '–');
}

function ending(close) {
  const how = close.how || 'socket closed';
  return how + ' by ' + (close.exiting ? 'process end' : close.by);
}

// idleOf is a clock of how long an open connection has been silent; it runs if
// the page is live.
function idleOf(line, at) {
  if (line.close) return h('td', { class: 'number idle' }, h('span', { class: line.close.how === 'rst' || line.close.pending_transactions ? 'late' : '' }, ending(line.close)), h('span', { class: 'sub' }, 'idle ' + duration(line.close.idle_seconds)), line.close.pending_transactions > 0 && h('span', { class: 'sub' }, line.close.pending_transactions + ' pending'));
  const p = promised(line);
  const cell = h('td', { class: 'number idle' }, h('span', { class: 'ticking', 'data-idle': line.idle_seconds ?? '', 'data-at': at }, duration(line.idle_seconds)));
  if (p) cell.append(h('span', { class: 'sub' }, 'promised ' + duration(p.seconds)));
  return cell;
}

const initiators = { local: ['›', 'opened by this host'], remote: ['‹', 'opened by the remote end'], unknown: ['·', 'who opened it is not known'] };

function connectionRow(line, page, state) {
  const open = state.open === line.id;
  const [arrow, meaning] = initiators[line.initiator];
  const m = line.messages;
  const k = line.keepalives;
  return h('tr', { class: 'line ' + (line.close ? 'closed' : '') + (open ? ' opened' : ''), 'data-id': line.id },
    h('th', { scope: 'row' },
      h('button', { type: 'button', class: 'expand', 'aria-expanded': String(open), 'data-key': 'open-' + line.id, on: { click: () => go({ open: readState().open === line.id ? '' : line.id }, true) } },
        h('span', { class: 'arrow', title: meaning }, arrow + ' '), h('span', { class: 'unseen' }, meaning + ': '), h('span', { class: 'address' }, line.remote)),
      line.peer !== 'other' && h('span', { class: 'sub' }, line.peer)),
    h('td', {}, worst(line, page.findings)),
    h('td', {}, line.process ? h('span', { class: 'address' }, line.process.name) : h('span', { class: 'quiet' }, 'not known'), h('span', { class: 'sub address' }, line.local)),
    h('td', {}, line.transport),
    h('td', { class: 'nowrap' }, shortClass[line.class.observed], line.class.expected && line.class.expected !== line.class.observed && h('span', { class: 'sub' }, 'expected ' + shortClass[line.class.expected])),
    h('td', {}, agreed(line)),
    h('td', { class: 'number' }, count(m.requests_sent) + ' / ' + count(m.requests_received)),
    h('td', { class: 'number' }, count(k.pings_sent + k.stun_sent) + ' / ' + count(k.pings_received + k.stun_received), k.unanswered > 0 && h('span', { class: 'sub late' }, count(k.unanswered) + ' unanswered')),
    h('td', { class: 'number' }, bytes(line.bytes_sent + line.bytes_received), line.incomplete && h('span', { class: 'sub late' }, 'incomplete')),
    idleOf(line, page.at),
    h('td', {}, lifeOf(line, page.at, { width: innerWidth < 1390 ? 132 : 240 })));
}
