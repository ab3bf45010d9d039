// The lists of findings, peers and actions.

function ruleText(rule) {
  const part = (name, text) => text && h('p', {}, h('strong', {}, name + ': '), text);
  return h('div', { class: 'rule' }, part('Asks', rule.asks), part('At fault', rule.fault !== '-' && rule.fault), part('Says nothing', rule.silent), part('Source', rule.source),
    rule.example && h('details', {}, h('summary', {}, 'Conversations that break it, and that hold it'), h('pre', { tabindex: 0, 'aria-label': 'Example' }, rule.example)));
}

// explained is the rule's text, fetched when it is first opened.
function explained(id, on) {
  const details = h('details', { 'data-rule': id }, h('summary', { 'data-key': 'rule-' + id + '-' + on }, 'The rule ' + id));
  details.addEventListener('toggle', async () => {
    if (!details.open || details.dataset.there) return;
    details.dataset.there = 'yes';
    try {
      const rule = (await source.rules()).find((r) => r.id === id);
      details.append(rule ? ruleText(rule) : h('p', {}, 'This rule is not in the catalogue.'));
    } catch (e) {
      delete details.dataset.there;
      notice('The rules could not be fetched: ' + e.message);
    }
  });
  return details;
}

const blamed = (f) => (f.party === 'unknown' ? f.address || 'not known' : f.party + ' ' + f.address);

function findingBox(f, linked) {
  return h('div', { class: 'finding ' + f.severity },
    h('p', {}, h('span', { class: 'grave ' + f.severity }, f.severity), ' ', h('strong', {}, f.summary)),
    h('code', { class: 'evidence' }, f.evidence),
    h('p', { class: 'quiet' }, f.rule + ', ' + f.source + '. At fault: ', h('span', { class: 'address' }, blamed(f)), '. ' + (f.count > 1 ? count(f.count) + ' times, ' + day(f.time) + ' to ' + day(f.last) : day(f.time)) + '. ',
      linked && h('a', { href: hashOf({ ...blank(), connection: f.connection, open: f.connection }) }, 'Its connection')),
    explained(f.rule, f.id));
}

function findingRow(f) {
  return h('tr', { class: 'line', 'data-id': f.id },
    h('td', {}, h('span', { class: 'grave ' + f.severity }, f.severity)),
    h('th', { scope: 'row', class: 'nowrap' }, f.rule),
    h('td', {}, f.summary, h('code', { class: 'sub address' }, f.evidence), explained(f.rule, f.id)),
    h('td', { class: 'nowrap' }, h('span', { class: 'address' }, blamed(f))),
    h('td', { class: 'number' }, count(f.count)),
    h('td', { class: 'number' }, clock(f.last).slice(0, 8), h('span', { class: 'sub' }, 'first ' + clock(f.time).slice(0, 8))),
    h('td', {}, h('a', { href: hashOf({ ...blank(), connection: f.connection, open: f.connection }), 'data-key': 'of-' + f.id }, f.connection)));
}

const findingColumns = [{ title: 'Severity', sort: 'severity' }, { title: 'Rule' }, { title: 'What, and the evidence' }, { title: 'At fault' }, { title: 'Times', sort: 'count', number: true }, { title: 'Last', number: true, hint: 'and first' }, { title: 'Connection' }];

const peerColumns = [
  { title: 'Peer' }, { title: 'Connections', sort: 'connections', number: true }, { title: 'Failed', number: true }, { title: 'Requests', sort: 'requests', number: true },
  { title: 'A connection', number: true, hint: 'requests on each' }, { title: 'Reused', number: true, hint: 'share of requests' }, { title: 'Handshakes', number: true, hint: 'time spent' },
  { title: 'Avoidable', sort: 'avoidable', number: true, hint: 'handshakes' }, { title: 'Idle limit', number: true, hint: 'its, as inferred' }, { title: 'Keep-alives', number: true, hint: 'every, late' }, { title: 'Pairs', number: true },
];

function peerRow(p) {
  const number = (v, sub) => h('td', { class: 'number' }, v, sub && h('span', { class: 'sub' }, sub));
  const k = p.keepalives;
  return h('tr', { class: 'line', 'data-id': p.address },
    h('th', { scope: 'row' }, h('a', { href: hashOf({ ...blank(), address: p.address.includes(':') ? '[' + p.address + ']:' : p.address + ':' }), class: 'address', 'data-key': 'peer-' + p.address }, p.address), p.name !== 'other' && h('span', { class: 'sub' }, p.name)),
    number(count(p.connections_opened)), number(count(p.connect_failures)), number(count(p.requests)), number(p.requests_per_connection.toFixed(1)),
    number(p.requests ? Math.round((100 * p.requests_reused) / p.requests) + ' %' : '–'), number(duration(p.handshake_seconds_spent)),
    number(count(p.avoidable_handshakes), p.avoidable_handshakes > 0 && duration(p.avoidable_handshake_seconds)),
    number(duration(p.idle_timeout_seconds_inferred), p.idle_timeout_closes > 0 && many(p.idle_timeout_closes, 'close')),
    number(k ? duration(k.mean_seconds) : '–', k && k.late > 0 && h('span', { class: 'late' }, count(k.late) + ' late')), number(count(p.duplicate_pairs)));
}

const actionColumns = [{ title: 'Time' }, { title: 'Action' }, { title: 'Mode' }, { title: 'Outcome' }, { title: 'Why' }, { title: 'Connection' }, { title: 'Times', number: true }];

function actionRow(a) {
  return h('tr', { class: 'line', 'data-id': a.connection + a.action + a.time },
    h('td', { class: 'nowrap' }, clock(a.last).slice(0, 8)), h('th', { scope: 'row' }, a.action), h('td', {}, a.mode), h('td', { class: a.outcome === 'failed' ? 'late' : '' }, a.outcome),
    h('td', {}, a.reason), h('td', {}, h('a', { href: hashOf({ ...blank(), connection: a.connection, open: a.connection }) }, a.connection), h('span', { class: 'sub address' }, a.remote)), h('td', { class: 'number' }, count(a.count)));
}
