// Lists of the report in this file: the same filters and orders as the agent's
// API has.

const graves = { info: 1, advice: 2, violation: 3 };
const holds = (text, part) => String(text).toLowerCase().includes(part);

function meantFinding(f, query) {
  return (!query.severity || graves[f.severity] >= graves[query.severity]) && (!query.rule || f.rule.startsWith(query.rule.toUpperCase()));
}

function meantConnection(r, c, q) {
  const process = c.process || { pid: 0, name: '' };
  const address = (q.address || '').toLowerCase();
  const wanted = (q.process || '').toLowerCase();
  if ((q.state === 'open' && c.close) || (q.state === 'closed' && !c.close)) return false;
  if (q.transport && q.transport !== c.transport) return false;
  if (q.class && q.class !== c.class.observed) return false;
  if (q.peer && q.peer !== c.peer) return false;
  if (wanted && wanted !== String(process.pid) && wanted !== process.name.toLowerCase()) return false;
  if (address && !holds(c.local, address) && !holds(c.remote, address)) return false;
  if ((q.severity || q.rule) && !c.findings.some((i) => meantFinding(r.findings[i], q))) return false;
  const text = (q.text || '').toLowerCase();
  return !text || holds(c.local, text) || holds(c.remote, text) || holds(c.peer, text) || holds(process.name, text) ||
    String(process.pid) === text || holds(c.class.observed, text) || c.transport === text || Boolean(c.negotiated[text]);
}

function meantAsFinding(r, f, q, byName) {
  if (!meantFinding(f, q) || (q.connection && q.connection !== f.connection)) return false;
  const c = byName.get(f.connection);
  const rest = { ...q, severity: '', rule: '', text: '' };
  if (c && !meantConnection(r, c, rest)) return false;
  const text = (q.text || '').toLowerCase();
  return !text || [f.evidence, f.summary, f.rule, c ? c.local : '', c ? c.remote : '', c ? c.peer : ''].some((v) => holds(v, text));
}

const numberOf = (id) => Number(String(id).slice(1));
const never = -Infinity;
const keys = {
  connections: {
    newest: (c) => numberOf(c.id),
    idle: (c) => (c.idle_seconds === null ? never : c.idle_seconds),
    requests: (c) => c.transactions,
    bytes: (c) => c.bytes_sent + c.bytes_received,
    findings: (c, r, q) => c.findings.filter((i) => meantFinding(r.findings[i], q)).length,
  },
  findings: { newest: () => 0, severity: (f) => graves[f.severity], count: (f) => f.count },
  peers: { connections: (p) => p.connections_opened, requests: (p) => p.requests, avoidable: (p) => p.avoidable_handshakes },
  actions: { newest: () => 0 },
};

function reportPage(r, kind, q) {
  let all = r[kind].map((v, i) => ({ v, i }));
  if (kind === 'connections') {
    all = all.filter(({ v }) => meantConnection(r, v, q) && (!q.connection || q.connection === v.id));
  } else if (kind === 'findings') {
    const byName = new Map(r.connections.map((c) => [c.id, c]));
    all = all.filter(({ v }) => meantAsFinding(r, v, q, byName));
  } else if (kind === 'peers') {
    all = all.filter(({ v }) => holds(v.address, (q.address || '').toLowerCase()));
  } else {
    all = all.filter(({ v }) => !q.connection || q.connection === v.connection);
  }
  const order = q.sort || '';
  const key = keys[kind][order.replace('-', '')] || Object.values(keys[kind])[0];
  const sign = order.startsWith('-') ? -1 : 1;
  const tie = kind === 'peers' ? -1 : 1;
  for (const e of all) {
    e.k = key(e.v, r, q);
    e.n = e.k === never ? never : sign * e.k;
    e.id = e.v.id ? numberOf(e.v.id) : tie * e.i;
  }
  all.sort((a, b) => (a.n === b.n ? b.id - a.id : b.n > a.n ? 1 : -1));
  const from = Number(q.after || 0);
  const to = from + Number(q.limit);
  const page = { at: r.ended, connections: null, peers: null, actions: null, findings: null, next: to < all.length ? String(to) : null, total: all.length };
  page[kind] = all.slice(from, to).map(({ v }) => v);
  if (kind === 'connections') page.findings = r.findings;
  return page;
}
