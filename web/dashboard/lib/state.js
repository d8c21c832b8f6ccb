// Where we are is the URL: the page's name is its path, everything else its query, so that each view is a permalink.
//
// get('q') reads; set({q: 'status:error'}) changes and tells whoever listens (null removes a key); go('events', {q}) changes the page.

const listeners = new Set();
let navigate = () => {};

export const page = () => location.pathname.replace(/^\/+|\/+$/g, '') || 'overview';
export const get = (key, otherwise = '') => new URLSearchParams(location.search).get(key) ?? otherwise;
export const all = () => Object.fromEntries(new URLSearchParams(location.search));

export function href(name, params = {}) {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) if (v !== null && v !== undefined && v !== '') q.set(k, v);
  const text = q.toString();
  return '/' + (name === 'overview' ? '' : name) + (text ? '?' + text : '');
}

// Keeps the time range from page to page.
export const hrefKeep = (name, params = {}) => href(name, { from: get('from'), to: get('to'), ...params });

// options.replace: no new entry in the browser's history (for what changes while typing).
export function set(changes, options = {}) {
  const next = href(page(), { ...all(), ...changes });
  if (next === location.pathname + location.search) return;
  history[options.replace ? 'replaceState' : 'pushState'](null, '', next);
  for (const fn of [...listeners]) fn(Object.keys(changes));
}

export function go(name, params = {}) {
  history.pushState(null, '', hrefKeep(name, params));
  navigate();
}

// fn(changed keys) after set() and after the browser's back and forward on the same page; the answer ends it.
export function on(fn) {
  listeners.add(fn);
  return () => listeners.delete(fn);
}

// The shell's: show() is called when the page may be another one.
export function start(show) {
  let shown = page();
  navigate = () => { shown = page(); show(); };
  addEventListener('popstate', () => {
    if (page() !== shown) navigate();
    else for (const fn of [...listeners]) fn(Object.keys(all()));
  });
  addEventListener('click', e => {
    const a = e.target.closest?.('a[href]');
    if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || a.target || a.origin !== location.origin || a.hasAttribute('download') || /^\/(api|static)\//.test(a.pathname) || (a.hash && a.pathname === location.pathname)) return;
    e.preventDefault();
    history.pushState(null, '', a.href);
    navigate();
  });
}

// ---- time range: from and to are `now`, `now-15m` (s m h d w), milliseconds since 1970, or an ISO time ----

export const PRESETS = [['now-5m', 'Last 5 minutes'], ['now-15m', 'Last 15 minutes'], ['now-1h', 'Last hour'], ['now-6h', 'Last 6 hours'], ['now-24h', 'Last 24 hours'], ['now-7d', 'Last 7 days'], ['now-30d', 'Last 30 days']];
export const DEFAULT_FROM = 'now-15m';
const UNIT = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3, w: 7 * 86400e3 };

export function parseTime(text, now = Date.now()) {
  const m = /^now(?:-(\d{1,6})([smhdw]))?$/.exec(text);
  if (m) return now - (m[1] ? m[1] * UNIT[m[2]] : 0);
  if (/^\d{10,16}$/.test(text)) return Number(text);
  const t = Date.parse(text);
  return Number.isNaN(t) ? null : t;
}

// {from, to: milliseconds, live: it ends now, label}
export function range(now = Date.now()) {
  const fromText = get('from', DEFAULT_FROM), toText = get('to', 'now');
  let from = parseTime(fromText, now), to = parseTime(toText, now);
  if (from === null || to === null || from >= to) [from, to] = [parseTime(DEFAULT_FROM, now), now];
  return { from, to, live: toText === 'now', label: PRESETS.find(([f]) => f === fromText && toText === 'now')?.[1] ?? null };
}
export const setRange = (from, to) => set({ from: String(Math.floor(from)), to: String(Math.ceil(to)) });
