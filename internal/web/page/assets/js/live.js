// The stream of changes: the list is fetched again when something on it may
// have changed, and the reader is told when the stream is cut.

const quietest = 2000; // milliseconds between two fetches of the list

let fetched = 0;
let due = 0; // timer of the next fetch
let frozen = false;

function stream(state, text) {
  const e = byID('stream');
  if (e.dataset.state === state && e.textContent === text) return;
  e.dataset.state = state;
  e.textContent = text;
}

function soon() {
  if (due || frozen) return;
  due = setTimeout(() => {
    due = 0;
    if (!frozen) show(true);
  }, Math.max(0, fetched + quietest - Date.now()));
}

// touches says whether the list that is shown may be another one now.
function touches(m) {
  const state = readState();
  if (m.more || m.dropped || m.findings.length || state.view !== 'connections') return true;
  if (!state.after && m.connections.some((c) => !rendered.has('connections:' + c.id))) return true;
  return m.connections.some((c) => rendered.has('connections:' + c.id));
}

function initLive() {
  byID('freeze').hidden = false;
  byID('freeze').addEventListener('click', () => {
    frozen = !frozen;
    byID('freeze').setAttribute('aria-pressed', String(frozen));
    if (frozen) stream('frozen', 'frozen');
    else {
      stream(events.readyState === EventSource.OPEN ? 'live' : 'cut', events.readyState === EventSource.OPEN ? 'live' : 'cut off');
      show();
    }
  });
  stream('', 'connecting');
  let events = new EventSource('api/v1/stream');
  let cut = 0;
  const listen = () => {
    events.addEventListener('open', () => {
      cut = 0;
      notice('');
      if (!frozen) stream('live', 'live');
      soon();
    });
    events.addEventListener('changes', (e) => {
      if (frozen) return;
      const m = JSON.parse(e.data);
      showCounts(m.counts);
      if (touches(m)) soon();
    });
    events.addEventListener('error', () => {
      cut = cut || Date.now();
      stream('cut', 'cut off');
      notice('The agent does not answer since ' + clock(cut).slice(0, 8) + '. What is shown is as it was then; this page goes on asking.');
      if (events.readyState === EventSource.CLOSED) { // refused, not only cut: the browser gives up
        setTimeout(() => {
          events = new EventSource('api/v1/stream');
          listen();
        }, 5000);
      }
    });
  };
  listen();
  setInterval(tick, 1000);
}

// tick lets the idle clocks run. They go by the agent's clock, as of the page.
let received = { at: 0, here: 0 };

function tick() {
  if (frozen || byID('stream').dataset.state !== 'live') return;
  const passed = (performance.now() - received.here) / 1000;
  for (const e of document.querySelectorAll('.ticking')) {
    const idle = e.dataset.idle;
    if (idle === '') continue;
    const now = Number(idle) + (received.at - Date.parse(e.dataset.at)) / 1000 + passed;
    e.textContent = duration(now);
  }
}
