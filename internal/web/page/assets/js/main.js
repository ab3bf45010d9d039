// The page begins here.

const file = byID('report');
const source = file ? reportSource(JSON.parse(file.textContent)) : agentSource();

let asking = 0;

// show shows what the URL says. quiet is for what was not asked for by a
// person.
async function show(quiet) {
  const state = readState();
  showViews(state);
  showFilters(state);
  const mine = ++asking;
  try {
    const page = await source.page(state.view, asked(state, pageSize));
    if (mine !== asking) return; // something else was asked for since
    fetched = Date.now();
    received = { at: Date.parse(page.at), here: performance.now() };
    table(state, page);
    document.title = views.find((v) => v.name === state.view).title + ' · viaduct';
    if (!quiet) notice('');
  } catch (e) {
    if (mine === asking && !quiet) notice('Not to be had: ' + e.message);
  }
}

function onKey(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches('input, select, textarea')) return;
  if (e.key === '/') {
    const search = byID('filter-text') || byID('filter-address');
    if (search) {
      search.focus();
      e.preventDefault();
    }
    return;
  }
  if (e.key !== 'ArrowDown' && e.key !== 'ArrowUp') return;
  const rows = [...document.querySelectorAll('#list .expand')];
  const at = rows.indexOf(document.activeElement);
  if (at < 0) return;
  const to = rows[at + (e.key === 'ArrowDown' ? 1 : -1)];
  if (to) {
    to.focus();
    e.preventDefault();
  }
}

initChrome();
addEventListener('hashchange', () => show());
addEventListener('keydown', onKey);
addEventListener('resize', () => {
  clearTimeout(typing);
  typing = setTimeout(() => { rendered = new Map(); show(true); }, 300);
});
source.counts().then(showCounts, (e) => notice('Not to be had: ' + e.message));
if (source.live) initLive();
else stream('', 'report');
show();
