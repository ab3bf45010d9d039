// What is shown is in the URL, behind the #: a link to it shows the same.

const views = [
  { name: 'connections', title: 'Connections', filters: ['text', 'state', 'transport', 'class', 'severity', 'peer', 'process', 'address', 'rule', 'connection'] },
  { name: 'findings', title: 'Findings', filters: ['text', 'severity', 'rule', 'peer', 'transport', 'address', 'connection'] },
  { name: 'peers', title: 'Peers', filters: ['address'] },
  { name: 'actions', title: 'Actions', filters: ['connection'] },
];
const filters = {
  text: { label: 'Search', type: 'search', hint: 'address, process, peer …' },
  state: { label: 'State', choices: ['open', 'closed'] },
  transport: { label: 'Transport', choices: ['tcp', 'tls', 'udp'] },
  class: { label: 'Class', choices: ['persistent', 'bidirectional-ephemeral', 'unidirectional-ephemeral', 'undetermined'] },
  severity: { label: 'Findings from', choices: ['violation', 'advice', 'info'] },
  peer: { label: 'Peer', hint: 'name in policy' },
  process: { label: 'Process', hint: 'name or pid' },
  address: { label: 'Address', hint: '192.0.2., :5061' },
  rule: { label: 'Rule', hint: 'KEEP, KEEP-09' },
  connection: { label: 'Connection', hint: 'c5', rare: true },
};
const stateNames = ['view', ...Object.keys(filters), 'sort', 'after', 'open', 'scale'];

function readState() {
  const given = new URLSearchParams(location.hash.slice(1));
  const state = {};
  for (const name of stateNames) state[name] = given.get(name) || '';
  if (!views.some((v) => v.name === state.view)) state.view = 'connections';
  for (const [name, f] of Object.entries(filters)) {
    if (f.choices && !f.choices.includes(state[name])) state[name] = '';
  }
  return state;
}

const blank = () => Object.fromEntries(stateNames.map((name) => [name, '']));

function hashOf(state) {
  const given = new URLSearchParams();
  for (const name of stateNames) {
    if (state[name] && !(name === 'view' && state[name] === 'connections')) given.set(name, state[name]);
  }
  return '#' + given.toString();
}

// go shows something else; replace leaves no step to go back to.
function go(change, replace) {
  const hash = hashOf({ ...readState(), ...change });
  if (hash === (location.hash || '#')) return;
  if (replace) {
    history.replaceState(null, '', hash);
    show();
  } else {
    location.hash = hash;
  }
}

// asked are the parameters of the list that is shown. The cursors of the pages
// before are kept in the URL, too: the last one is where this page begins.
function asked(state, limit) {
  const view = views.find((v) => v.name === state.view);
  const query = { limit: String(limit) };
  for (const name of [...view.filters, 'sort']) if (state[name]) query[name] = state[name];
  if (state.after) query.after = state.after.split('_').pop();
  return query;
}
