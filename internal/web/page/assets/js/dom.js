// Elements, and text that is shown as text: whatever the network said, it is
// never markup, and no character of it acts on the text around it.

const odd = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffd]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

// plain writes what cannot be seen as \uXXXX.
function plain(value) {
  return String(value).replace(odd, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

const byID = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else {
      element.setAttribute(name, value === true ? '' : plain(value));
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : plain(child));
  }
  return element;
}

// h makes an HTML element, s one of SVG.
const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const s = (name, attributes, ...children) => fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);

// duration is for reading: two figures that matter.
function duration(seconds) {
  if (seconds === null || seconds === undefined || !isFinite(seconds)) return '–';
  const two = (n) => String(Math.floor(n)).padStart(2, '0');
  if (seconds <= 0) return '0 s';
  if (seconds < 0.001) return Math.max(1, Math.round(seconds * 1e6)) + ' µs';
  if (seconds < 1) return (seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0) + ' ms';
  if (seconds < 10) return seconds.toFixed(1) + ' s';
  if (seconds < 60) return Math.floor(seconds) + ' s';
  if (seconds < 3600) return Math.floor(seconds / 60) + ' m ' + two(seconds % 60) + ' s';
  if (seconds < 86400) return Math.floor(seconds / 3600) + ' h ' + two((seconds % 3600) / 60) + ' m';
  return Math.floor(seconds / 86400) + ' d ' + two((seconds % 86400) / 3600) + ' h';
}

// Times of day are shown in the reader's zone.
function clock(time) {
  const t = new Date(time);
  const n = (v, w) => String(v).padStart(w, '0');
  return n(t.getHours(), 2) + ':' + n(t.getMinutes(), 2) + ':' + n(t.getSeconds(), 2) + '.' + n(t.getMilliseconds(), 3);
}

function day(time) {
  const t = new Date(time);
  return t.getFullYear() + '-' + String(t.getMonth() + 1).padStart(2, '0') + '-' + String(t.getDate()).padStart(2, '0') + ' ' + clock(time).slice(0, 8);
}

const count = (n) => Number(n).toLocaleString('en').replaceAll(',', '\u00a0');
const many = (n, one, more) => count(n) + ' ' + (n === 1 ? one : more || one + 's');

function bytes(n) {
  if (n < 10000) return count(n) + ' B';
  if (n < 1e7) return Math.round(n / 1000) + ' kB';
  return (n / 1e6).toFixed(n < 1e8 ? 1 : 0) + ' MB';
}
