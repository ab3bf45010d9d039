// Tables: one list at a time, a page of it.

const pageSize = 100;
const kinds = {
  connections: { columns: connectionColumns, row: connectionRow, none: 'No connection is like that.', one: 'connection' },
  findings: { columns: findingColumns, row: findingRow, none: 'Nothing was found.', one: 'finding' },
  peers: { columns: peerColumns, row: peerRow, none: 'No peer is like that.', one: 'peer' },
  actions: { columns: actionColumns, row: actionRow, none: 'The policy has asked for nothing to be done.', one: 'action' },
};

function heading(column, view, state) {
  const first = { connections: 'newest', findings: 'newest', peers: 'connections', actions: 'newest' }[view];
  const current = state.sort || first;
  const style = column.number ? 'number' : null;
  if (!column.sort) return h('th', { scope: 'col', class: style, title: column.hint }, column.title);
  const down = current === column.sort;
  const up = current === '-' + column.sort;
  const next = down ? '-' + column.sort : column.sort === first || !up ? column.sort : '';
  return h('th', { scope: 'col', class: style, title: column.hint, 'aria-sort': down ? 'descending' : up ? 'ascending' : null },
    h('button', { type: 'button', 'data-key': 'sort-' + column.sort, on: { click: () => go({ sort: next === first ? '' : next, after: '' }, true) } }, column.title));
}

function pager(state, page, shown) {
  const before = state.after ? state.after.split('_') : [];
  const one = kinds[state.view].one;
  const where = many(shown, one) + (page.total !== undefined && page.total > shown ? ' of ' + count(page.total) : '') + (before.length || page.next ? ', page ' + (before.length + 1) : '') + (page.next && page.total === undefined ? ', more follow' : '');
  return h('div', { class: 'pager' },
    h('button', { type: 'button', 'data-key': 'back', disabled: before.length === 0, on: { click: () => go({ after: before.slice(0, -1).join('_') }) } }, '← Back'),
    h('button', { type: 'button', 'data-key': 'on', disabled: !page.next, on: { click: () => go({ after: [...before, page.next].join('_') }) } }, 'On →'),
    h('span', { class: 'quiet', id: 'shown', role: 'status' }, where));
}

// reopen opens in a new element what was open in the one whose place it takes.
function reopen(before, after) {
  const open = new Set([...before.querySelectorAll('details[open] > summary')].map((e) => e.dataset.key));
  for (const e of after.querySelectorAll('details > summary')) if (open.has(e.dataset.key)) e.parentNode.open = true;
}

// table shows a page, and keeps the lines that have not changed, what is open
// in them, and the focus.
let rendered = new Map(); // by what names it: text and element

function table(state, page) {
  const { columns, row, none } = kinds[state.view];
  const list = page[state.view];
  const old = rendered;
  rendered = new Map();
  const keep = (key, text, make) => {
    const before = old.get(key);
    const entry = before && before.text === text ? before : { text, element: make() };
    if (before && entry !== before) reopen(before.element, entry.element);
    rendered.set(key, entry);
    return entry.element;
  };
  const focused = document.activeElement && document.activeElement.closest('#list') && document.activeElement.dataset.key;
  const rows = [];
  for (const line of list) {
    const found = state.view === 'connections' ? line.findings.map((i) => page.findings[i]) : [];
    const isOpen = state.view === 'connections' && state.open === line.id;
    const text = JSON.stringify([line, found, isOpen, state.scale, source.live && state.view === 'connections' && !line.close ? page.at : '']);
    const name = state.view + ':' + (line.id || line.address || line.connection + line.action + line.time);
    rows.push(keep(name, text, () => row(line, page, state)));
    if (isOpen) rows.push(keep('detail:' + name, text, () => detailRow(line, page, state, columns.length)));
  }
  const title = views.find((v) => v.name === state.view).title;
  byID('list').replaceChildren(
    list.length === 0 && !state.after
      ? h('p', { class: 'empty', id: 'shown', role: 'status' }, none)
      : h('div', { class: 'scroll', role: 'region', 'aria-label': title, tabindex: 0 },
        h('table', {}, h('caption', { class: 'unseen' }, title), h('thead', {}, h('tr', {}, columns.map((c) => heading(c, state.view, state)))), h('tbody', {}, rows))),
    list.length === 0 && !state.after ? '' : pager(state, page, list.length));
  if (focused) {
    const again = document.querySelector(`#list [data-key="${CSS.escape(focused)}"]`);
    if (again && again !== document.activeElement) again.focus({ preventScroll: true });
  }
}
