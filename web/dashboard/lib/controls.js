// The bar above a page: query_string box with completion, time range, live or paused. All of it is state in the URL (q, from, to).
import { fieldCaps, search } from './api.js';
import { h, clear, icon } from './dom.js';
import { moment } from './format.js';
import { escapeField, quote } from './query.js';
import * as state from './state.js';
import { button, dialog, iconButton } from './ui.js';

// ---- completion ----

let caps = null, capsAt = 0;
// name → {type, keyword: the field to ask for exact values} of predictions, kept for half a minute unless fresh ones are asked for
export async function fields({ fresh = false } = {}) {
  if (caps && !fresh && Date.now() - capsAt < 30e3) return caps;
  const found = await fieldCaps('predictions'), known = new Map();
  for (const [name, types] of Object.entries(found)) {
    const type = Object.keys(types)[0];
    if (name.startsWith('_') || type === 'object' || name.endsWith('.keyword')) continue;
    known.set(name, { type, keyword: type === 'text' ? name + '.keyword' : name });
  }
  [caps, capsAt] = [known, Date.now()];
  return known;
}

const regexp = text => text.replace(/[.?+*|{}[\]()"\\#@&<>~^$]/g, c => '\\' + c);
const unescape = text => text.replace(/\\(.)/g, '$1');

// What may stand at the end of `text`: [{show, note, insert: replaces the last `length` characters}]
async function complete(text) {
  const known = await fields();
  const value = /((?:[^\s():"\\]|\\.)+):("?)([^"\s()]*)$/.exec(text);
  if (value) {
    const field = known.get(unescape(value[1]));
    if (!field || !['text', 'keyword', 'boolean'].includes(field.type)) return [];
    const terms = { field: field.keyword, size: 20, ...(value[3] && field.type !== 'boolean' && { include: regexp(value[3]) + '.*' }) };
    const a = await search('predictions', { size: 0, aggs: { values: { terms } } });
    return a.aggregations.values.buckets.map(b => ({ show: String(b.key_as_string ?? b.key), note: b.doc_count.toLocaleString('en-US'), length: value[2].length + value[3].length, insert: (field.type === 'boolean' ? b.key_as_string : quote(b.key)) + ' ' }));
  }
  const word = /(?:[^\s():"\\]|\\.)*$/.exec(text)[0], want = unescape(word).toLowerCase();
  const names = [...known].filter(([name]) => name.toLowerCase().includes(want)).sort(([a], [b]) => b.toLowerCase().startsWith(want) - a.toLowerCase().startsWith(want) || a.localeCompare(b));
  const list = names.slice(0, 12).map(([name, f]) => ({ show: name, note: f.type === 'text' ? 'keyword' : f.type, length: word.length, insert: escapeField(name) + ':' }));
  if (text.trim() && !word) list.unshift(...['AND', 'OR', 'NOT'].map(w => ({ show: w, note: '', length: 0, insert: w + ' ' })));
  return list;
}

function queryBox() {
  const list = h('ul', { role: 'listbox', id: 'suggestions', class: 'suggestions', hidden: true });
  const input = h('input', { type: 'search', id: 'query', value: state.get('q'), placeholder: 'status:error AND latency.total_us:>1000', spellcheck: 'false', autocomplete: 'off', role: 'combobox', 'aria-expanded': 'false', 'aria-controls': 'suggestions', 'aria-label': 'Query' });
  const problem = h('p', { class: 'problem bad', role: 'alert', hidden: true });
  let items = [], active = -1, turn = 0;

  const close = () => { turn++; items = []; list.hidden = true; input.setAttribute('aria-expanded', 'false'); input.removeAttribute('aria-activedescendant'); };
  const submit = () => { close(); state.set({ q: input.value.trim() }); };
  function pick(i) {
    const before = input.value.slice(0, input.selectionStart), after = input.value.slice(input.selectionStart);
    input.value = before.slice(0, before.length - i.length) + i.insert + after;
    const caret = input.value.length - after.length;
    input.focus();
    input.setSelectionRange(caret, caret);
    suggest();
  }
  function draw() {
    list.hidden = !items.length;
    input.setAttribute('aria-expanded', String(!!items.length));
    clear(list, items.map((i, n) => h('li', { role: 'option', id: 'suggestion-' + n, 'aria-selected': String(n === active), onpointerdown: e => { e.preventDefault(); pick(i); } }, h('span', {}, i.show), h('span', { class: 'soft num' }, i.note))));
    if (active >= 0) { input.setAttribute('aria-activedescendant', 'suggestion-' + active); list.children[active].scrollIntoView({ block: 'nearest' }); } else input.removeAttribute('aria-activedescendant');
  }
  async function suggest() {
    const mine = ++turn;
    let found = [];
    try { found = await complete(input.value.slice(0, input.selectionStart)); } catch { /* no completion then */ }
    if (mine !== turn || document.activeElement !== input) return;
    [items, active] = [found, -1];
    draw();
  }
  input.addEventListener('input', suggest);
  input.addEventListener('focus', suggest);
  input.addEventListener('blur', close);
  input.addEventListener('search', () => { if (!input.value) submit(); });
  input.addEventListener('keydown', e => {
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      if (!items.length) return;
      active = (active + (e.key === 'ArrowDown' ? 1 : -1) + items.length + 1) % (items.length + 1);
      if (active === items.length) active = -1;
      draw();
    } else if (e.key === 'Tab' && items.length) pick(items[Math.max(0, active)]);
    else if (e.key === 'Enter') active >= 0 ? pick(items[active]) : submit();
    else if (e.key === 'Escape') items.length ? close() : input.blur();
    else return;
    e.preventDefault();
  });
  const root = h('div', { class: 'query', role: 'search' }, icon('search'), input, list, problem);
  return { root, read() { if (document.activeElement !== input) input.value = state.get('q'); }, problem(text) { problem.hidden = !text; clear(problem, text ?? ''); } };
}

// ---- time range ----

const local = ms => new Date(ms - new Date(ms).getTimezoneOffset() * 60e3).toISOString().slice(0, 19);

function askRange() {
  const r = state.range(), from = h('input', { type: 'datetime-local', step: 1, value: local(r.from), required: true }), to = h('input', { type: 'datetime-local', step: 1, value: local(r.to), required: true });
  const wrong = h('p', { class: 'bad', role: 'alert' });
  const d = dialog('Time range', h('form', {
    onsubmit: e => {
      e.preventDefault();
      const [a, b] = [Date.parse(from.value), Date.parse(to.value)];
      if (!(a < b)) return void clear(wrong, 'The start must be before the end.');
      d.close();
      state.setRange(a, b);
    },
  }, h('p', {}, h('label', {}, 'From ', from)), h('p', {}, h('label', {}, 'To ', to)), wrong, h('p', { class: 'buttons' }, h('button', { class: 'primary' }, 'Show'))));
}

function rangeBox() {
  const select = h('select', { id: 'range', 'aria-label': 'Time range' });
  function read() {
    const r = state.range();
    clear(select, r.label ? [] : h('option', { value: '', selected: true }, moment(r.from) + ' – ' + (r.live ? 'now' : moment(r.to))), state.PRESETS.map(([from, label]) => h('option', { value: from, selected: label === r.label }, label)), h('option', { value: 'ask' }, 'From … to …'));
  }
  select.addEventListener('change', () => {
    if (select.value === 'ask') { read(); askRange(); } else if (select.value) state.set({ from: select.value === state.DEFAULT_FROM ? null : select.value, to: null });
  });
  const wider = iconButton('Show twice the time', 'wider', () => {
    const r = state.range(), half = (r.to - r.from) / 2;
    r.live ? state.setRange(r.from - 2 * half, r.to) : state.setRange(r.from - half, Math.min(Date.now(), r.to + half));
  });
  read();
  return { root: h('div', { class: 'range' }, select, wider), read };
}

// ---- the bar ----

// options: {query: true → the box, title: the page's, extra: nodes, refresh(): called by live updates and the button}
// Answers {root, problem(text or null: below the query box), paused(), stop()}. Changes arrive by state.on().
export function controls(options = {}) {
  const q = options.query ? queryBox() : null, range = rangeBox();
  let paused = false;
  const live = button('', () => { paused = !paused; draw(); if (!paused) options.refresh?.(); }, { class: 'live' });
  function draw() {
    const rolling = state.range().live && !paused;
    clear(live, h('span', { class: 'dot' + (rolling ? ' on' : '') }), state.range().live ? paused ? 'Paused' : 'Live' : 'Fixed');
    live.title = rolling ? 'Updates by itself; click to pause' : paused ? 'Click to go on' : 'This range has an end; choose one that ends now for live updates';
    live.disabled = !state.range().live;
    live.setAttribute('aria-pressed', String(rolling));
  }
  const off = state.on(() => { q?.read(); range.read(); draw(); });
  draw();
  return {
    root: h('div', { class: 'controls' }, options.title ? h('h1', {}, options.title) : null, q?.root, options.extra ?? [], range.root, live),
    problem: text => q?.problem(text),
    paused: () => paused || !state.range().live,
    stop: off,
  };
}
