// Where what is shown comes from: a running agent, or the report in this file.
// Both have page(kind, query), counts() and rules(), which return promises.

function agentSource() {
  async function get(path, query) {
    const answer = await fetch('api/v1/' + path + '?' + new URLSearchParams(query || {}), { cache: 'no-store' });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(body.error || 'the agent answered ' + answer.status);
    return body;
  }
  let rules = null;
  return {
    live: true,
    page: get,
    counts: () => get('summary'),
    rules: () => (rules ||= get('rules').catch((e) => { rules = null; throw e; })),
  };
}

function reportSource(file) {
  const r = file.report;
  const counts = {
    source: r.source, started: r.started, at: r.ended, host: r.host, lost: r.lost, features: r.features, findings: r.summary.findings,
    open: r.connections.filter((c) => !c.close).length, closed: r.connections.filter((c) => c.close).length,
    peers: r.peers.length, actions: r.actions.length,
    messages: r.connections.reduce((n, c) => n + messagesOf(c), 0),
  };
  return {
    live: false,
    page: async (kind, query) => reportPage(r, kind, query),
    counts: async () => counts,
    rules: async () => file.rules,
  };
}

const messagesOf = (c) => c.messages.requests_sent + c.messages.requests_received + c.messages.responses_sent + c.messages.responses_received;
