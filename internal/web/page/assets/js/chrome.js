// What stands around the list: the figures, the filters, the colours.

function notice(text) {
  const p = byID('notice');
  p.hidden = !text;
  if (text && p.textContent !== plain(text)) p.replaceChildren(plain(text));
}

function showCounts(c) {
  const host = [c.host && c.host.name, c.host && c.host.kernel && 'Linux ' + c.host.kernel].filter(Boolean).join(', ');
  byID('where').replaceChildren(plain((host ? host + ' · ' : '') + (c.source === 'pcap' ? 'from a capture' : 'live') + ' · since ' + day(c.started) + (source.live ? '' : ' · until ' + day(c.at))));
  const lost = c.lost ? Object.entries(c.lost).filter(([name, n]) => n > 0 && name !== 'sequence_gap_bytes') : [];
  const box = (title, n, style) => h('dl', { class: (style || '') + (n > 0 ? ' some' : ''), title: style === 'lost' && lost.length ? lost.map(([name, v]) => name.replaceAll('_', ' ') + ': ' + count(v)).join('\n') : null }, h('dt', {}, title), h('dd', {}, count(n)));
  byID('counts').replaceChildren(
    box('Open connections', c.open), box('Ended', c.closed), box('Peers', c.peers), box('Messages', c.messages),
    box('Violations', c.findings.violation, 'violation'), box('Advice', c.findings.advice, 'advice'), box('Info', c.findings.info),
    box('Actions', c.actions), box('Not seen or kept', lost.reduce((n, [, v]) => n + v, 0), 'lost'));
  const unseen = Object.entries(c.features || {});
  byID('unseen')?.remove();
  if (unseen.length) byID('main').append(h('details', { id: 'unseen' }, h('summary', {}, 'What this observation could not see'), h('dl', { class: 'facts' }, unseen.map(([name, why]) => fact(name, why)))));
}

function showViews(state) {
  byID('views').replaceChildren(...views.map((v) => h('a', { href: hashOf({ ...blank(), view: v.name }), 'aria-current': v.name === state.view ? 'page' : null }, v.title)));
}

let typing = 0; // timer
let drawn = ''; // the view whose filters are drawn

function showFilters(state) {
  const form = byID('filters');
  const names = views.find((v) => v.name === state.view).filters;
  if (drawn !== state.view) {
    form.replaceChildren(...names.map((name) => filterOf(name)), names.length ? h('button', { type: 'button', id: 'clear', on: { click: () => go({ ...blank(), view: readState().view, scale: readState().scale }) } }, 'Clear') : '');
    drawn = state.view;
  }
  for (const name of names) {
    const field = byID('filter-' + name);
    if (field !== document.activeElement || field.tagName === 'SELECT') field.value = state[name];
    field.parentNode.hidden = filters[name].rare && !state[name];
    field.classList.toggle('set', state[name] !== '');
  }
  const clear = byID('clear');
  if (clear) clear.disabled = names.every((name) => !state[name]);
}

function filterOf(name) {
  const f = filters[name];
  const id = 'filter-' + name;
  const set = (e) => go({ [name]: e.target.value.trim(), after: '', open: '' }, true);
  if (f.choices) {
    return h('label', {}, f.label, h('select', { id, on: { change: set } }, h('option', { value: '' }, 'any'), f.choices.map((c) => h('option', { value: c }, shortClass[c] || c))));
  }
  const later = (e) => {
    clearTimeout(typing);
    typing = setTimeout(() => set(e), 250);
  };
  return h('label', {}, f.label, h('input', { id, type: f.type || 'text', placeholder: f.hint, spellcheck: 'false', autocomplete: 'off', on: { input: later, change: set } }));
}

// The colours are the system's, unless somebody has chosen.
const themes = { '': ['◐', 'as the system'], light: ['○', 'light'], dark: ['●', 'dark'] };

function setTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  const button = byID('theme');
  button.textContent = themes[name][0];
  button.setAttribute('aria-label', 'Colours: ' + themes[name][1]);
  button.title = 'Colours: ' + themes[name][1];
}

function themeOf() {
  try {
    const name = localStorage.getItem('viaduct-colours') || '';
    return themes[name] ? name : '';
  } catch { // a file may not keep anything
    return '';
  }
}

function initChrome() {
  let theme = themeOf();
  setTheme(theme);
  byID('theme').addEventListener('click', () => {
    const names = Object.keys(themes);
    theme = names[(names.indexOf(theme) + 1) % names.length];
    setTheme(theme);
    try {
      localStorage.setItem('viaduct-colours', theme);
    } catch { /* it holds until the page is left */ }
  });
  byID('filters').addEventListener('submit', (e) => e.preventDefault());
  byID('skip').addEventListener('click', () => byID('main').focus());
}
