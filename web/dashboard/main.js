// The shell: navigation, theme, keyboard; it puts the page that the URL names into <main>.
//
// A page is pages/NAME.js that exports mount(root) → {stop(), keys: {j(), k(), ...}}, and a row here.
import { serving, links } from './lib/api.js';
import { clear, h, icon } from './lib/dom.js';
import { poll } from './lib/live.js';
import * as state from './lib/state.js';
import { closeDrawer, dialog, empty, failed, iconButton } from './lib/ui.js';

const PAGES = [
  { name: 'overview', title: 'Overview', key: 'o' },
  { name: 'events', title: 'Events', key: 'e' },
  { name: 'compare', title: 'Compare', key: 'c' },
  { name: 'usage', title: 'Usage', key: 'u' },
  { name: 'models', title: 'Models', key: 'm' },
  { name: 'alerts', title: 'Alerts', key: 'a' },
];

const KEYS = [['/', 'Go to the query box'], ['j  k', 'Next, previous row'], ['Enter', 'Open the row'], ['Escape', 'Close what is open'], ['t', 'Light or dark'], ['?', 'This help']];

const main = document.getElementById('page'), nav = document.getElementById('nav');
let current = { stop() {}, keys: {} }, turn = 0;

async function show() {
  const mine = ++turn, page = PAGES.find(p => p.name === state.page());
  current.stop();
  current = { stop() {}, keys: {} };
  closeDrawer();
  for (const d of document.querySelectorAll('dialog')) d.close();
  drawNav();
  document.title = (page?.title ?? 'Not found') + ' · sibyl';
  if (!page) return void clear(main, empty('There is no such page', 'The pages are on the navigation bar.'));
  try {
    const module = await import(`./pages/${page.name}.js`);
    if (mine !== turn) return;
    clear(main);
    main.className = 'page-' + page.name;
    current = { keys: {}, ...module.mount(main) };
  } catch (e) {
    console.error(e);
    clear(main, failed(e, show));
  }
}

// ---- navigation ----

const health = h('a', { class: 'health', href: '/' }, h('span', { class: 'dot' }), h('span', { class: 'text' }, 'connecting…'));
const items = new Map(PAGES.map(p => [p.name, h('a', {}, icon(p.name), h('span', {}, p.title))]));
const outside = h('span', { class: 'outside' });

function drawNav() {
  for (const [name, a] of items) {
    a.href = state.hrefKeep(name);
    if (name === state.page()) {
      a.setAttribute('aria-current', 'page');
      a.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    } else a.removeAttribute('aria-current');
  }
}
state.on(drawNav);

function switchTheme() {
  const next = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = next;
  localStorage.setItem('theme', next);
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', e => { if (!localStorage.getItem('theme')) document.documentElement.dataset.theme = e.matches ? 'dark' : 'light'; });

function help() {
  dialog('Keys', h('dl', { class: 'keys' }, [...KEYS, ...PAGES.map(p => ['g ' + p.key, p.title])].flatMap(([k, what]) => [h('dt', {}, k.split(/ +/).map(x => h('kbd', {}, x))), h('dd', {}, what)])));
}

nav.append(
  h('a', { class: 'brand', href: '/' }, 'sibyl'),
  h('nav', { 'aria-label': 'Pages' }, [...items.values()]),
  h('div', { class: 'foot' }, outside, health, h('span', { class: 'tools' }, iconButton('Light or dark', 'theme', switchTheme), iconButton('Keys', 'help', help))),
);
links().then(l => clear(outside, h('a', { href: l.registry, target: '_blank', rel: 'noopener' }, 'MLflow ↗'), h('a', { href: l.serving + '/docs', target: '_blank', rel: 'noopener' }, 'API ↗')), () => {});

poll(async ({ signal }) => {
  let text, kind;
  try {
    const answer = await serving('GET', '/health', undefined, { signal, raw: true, timeout: 3000 });
    text = answer.body?.status ?? 'serving is away';
    kind = text === 'healthy' ? 'good' : 'bad';
    health.title = answer.body?.reason ?? answer.body?.error ?? '';
  } catch (e) {
    if (e.name === 'AbortError') throw e;
    [text, kind] = ['no answer', 'bad'];
  }
  clear(health, h('span', { class: 'dot ' + kind }), h('span', { class: 'text' }, text));
}, 3000);

// ---- keyboard ----

let chord = 0;
addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.('input, textarea, select, dialog, .menu, [contenteditable]')) return;
  if (Date.now() - chord < 1500) {
    chord = 0;
    const page = PAGES.find(p => p.key === e.key);
    if (page) { e.preventDefault(); state.go(page.name); return; }
  }
  if (e.key === 'Enter' && e.target.closest?.('a, button, summary')) return;
  if (e.key === 'g') chord = Date.now();
  else if (e.key === '/' && document.getElementById('query')) { e.preventDefault(); document.getElementById('query').focus(); }
  else if (e.key === '?') help();
  else if (e.key === 't') switchTheme();
  else if (current.keys[e.key]) { e.preventDefault(); current.keys[e.key](); }
});

state.start(show);
show();
