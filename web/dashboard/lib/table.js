// Tables with rows that can be walked with j and k and opened with Enter or a click.
import { h, clear } from './dom.js';

// columns: [{key, title, cell: (row, column) → node or text, class: 'num' | 'mono' | 'grow', title cell text}]
// options: {open(row), key(row) → text that stays with a row, empty: node, label: text for screen readers}
// Answers {root, rows(list), columns(list), select(key), move(±1), selected()}.
export function table(columns, options = {}) {
  const head = h('tr'), body = h('tbody'), keyOf = options.key ?? ((_, i) => String(i));
  const root = h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': options.label ?? 'Table' }, h('table', {}, h('thead', {}, head), body));
  let shown = [], selected = null;

  const heads = () => clear(head, columns.map(c => h('th', { scope: 'col', class: c.class }, c.title)));
  function mark() {
    for (const tr of body.children) tr.classList.toggle('selected', tr.dataset.key === selected);
  }
  function row(r, i) {
    const tr = h('tr', { 'data-key': keyOf(r, i), class: options.open ? 'opens' : '' }, columns.map(c => h('td', { class: c.class }, c.cell ? c.cell(r, c) : r[c.key])));
    if (options.open) tr.addEventListener('click', e => { if (!e.target.closest('a, button, input, select') && !String(getSelection())) { selected = tr.dataset.key; mark(); options.open(r); } });
    return tr;
  }
  function draw() {
    heads();
    clear(body, shown.length ? shown.map(row) : h('tr', {}, h('td', { colspan: Math.max(1, columns.length), class: 'nothing' }, options.empty ?? 'Nothing here.')));
    mark();
  }
  const at = () => shown.findIndex((r, i) => keyOf(r, i) === selected);
  const api = {
    root,
    rows(list) { shown = list; draw(); },
    columns(list) { columns = list; draw(); },
    select(key) { selected = key; mark(); },
    selected: () => shown[at()] ?? null,
    move(by) {
      if (!shown.length) return null;
      const i = Math.max(0, Math.min(shown.length - 1, at() < 0 ? 0 : at() + by));
      selected = keyOf(shown[i], i);
      mark();
      body.children[i].scrollIntoView({ block: 'nearest' });
      return shown[i];
    },
    open() { const r = api.selected(); if (r) options.open?.(r); },
  };
  draw();
  return api;
}

// Bars of parts of a whole or of counts: items [{label, value, text, kind, onclick, title}]; kind: mark, good, bad, warn, soft.
export function barList(items, { max, label } = {}) {
  const most = max ?? Math.max(1e-12, ...items.map(i => i.value));
  return h('ul', { class: 'bars', 'aria-label': label }, items.map(i => {
    const what = [h('span', { class: 'bar-label' }, i.label), h('span', { class: 'bar-text num' }, i.text ?? i.value), h('span', { class: 'bar ' + (i.kind ?? 'mark'), style: { '--part': Math.max(0, Math.min(100, i.value / most * 100)) + '%' } })];
    return h('li', { title: i.title }, i.onclick ? h('button', { type: 'button', onclick: i.onclick }, what) : what);
  }));
}
