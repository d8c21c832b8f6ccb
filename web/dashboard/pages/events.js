// Events: every prediction, found by a query, a time range and clicks; one of them in detail at the side.
import { call, links, search } from '../lib/api.js';
import { timeChart } from '../lib/charts.js';
import { controls, fields } from '../lib/controls.js';
import { copyAs, searchRequest } from '../lib/copy.js';
import { h, icon } from '../lib/dom.js';
import { answerOf, at, time } from '../lib/event.js';
import { openEvent } from '../lib/event-detail.js';
import { count, micros, millis, moment, short, value } from '../lib/format.js';
import { poll } from '../lib/live.js';
import { FAILED, filtered, interval, is, narrow, perTime } from '../lib/query.js';
import * as state from '../lib/state.js';
import { barList, table } from '../lib/table.js';
import { badge, button, closeDrawer, dialog, empty, menu, panel, statusBadge, toastError } from '../lib/ui.js';

const PAGE = 50;
const SORT = [{ '@timestamp': { order: 'desc' } }, { seq: { order: 'desc' } }];
const DEFAULT_COLUMNS = ['@timestamp', 'model', 'model_version', 'role', 'status', 'prediction', 'latency.total_us', 'user'];
const FACETS = [['status.keyword', 'status'], ['model.keyword', 'model'], ['model_version.keyword', 'model_version'], ['role.keyword', 'role'], ['user.keyword', 'user']];

const narrowTo = (field, v, exclude = false) => state.set({ q: narrow(state.get('q'), is(field, v), exclude) });
// An exact time: from and to of the range; of other fields: a condition.
const filterMenu = (at, field, v) => menu(at, [[`Only ${value(v).slice(0, 40)}`, () => narrowTo(field, v)], [`Without ${value(v).slice(0, 40)}`, () => narrowTo(field, v, true)]]);

// ---- columns ----

const HOW = {
  '@timestamp': { title: 'Time', class: 'time mono', cell: e => h('span', { title: moment(time(e)) }, millis(time(e))) },
  prediction: { title: 'Answer', class: 'grow', cell: e => e.prediction ? answerOf(e) : h('span', { class: 'bad' }, answerOf(e)) },
  status: { title: 'Status', cell: e => statusBadge(e.status) },
  role: { title: 'Role', cell: e => badge(e.role, e.role === 'shadow' ? 'mark' : 'plain') },
  'latency.total_us': { title: 'Latency', class: 'num', cell: e => micros(e.latency?.total_us) },
  'latency.compute_us': { title: 'Model time', class: 'num', cell: e => micros(e.latency?.compute_us) },
  model_version: { title: 'Version', class: 'num' },
  model: { title: 'Model' },
  user: { title: 'User' },
};
function columnOf(field) {
  const known = HOW[field] ?? {}, cell = known.cell ?? (e => value(at(e, field) ?? ''));
  return {
    title: known.title ?? field, class: known.class ?? (field.startsWith('input.') ? 'num' : ''),
    cell: e => {
      const v = at(e, field);
      if (v === undefined || typeof v === 'object' || field === '@timestamp') return cell(e);
      return h('span', { class: 'cell' }, cell(e), h('button', { type: 'button', class: 'icon-button filter', 'aria-label': `Filter by ${field}`, onclick: x => filterMenu(x.currentTarget, field, v) }, icon('more')));
    },
  };
}
const columnNames = () => state.get('columns') ? state.get('columns').split(',').map(decodeURIComponent) : DEFAULT_COLUMNS;
const setColumns = names => state.set({ columns: names.join() === DEFAULT_COLUMNS.join() ? null : names.map(encodeURIComponent).join(',') });

async function chooseColumns() {
  let known;
  try { known = [...(await fields({ fresh: true })).keys()]; } catch (e) { return void toastError(e); }
  const chosen = columnNames(), all = [...new Set([...DEFAULT_COLUMNS, ...chosen, ...known.sort()])].filter(f => f === 'prediction' || !f.startsWith('prediction.'));
  const boxes = all.map(f => h('label', { class: 'choice' }, h('input', { type: 'checkbox', value: f, checked: chosen.includes(f) }), ' ', f));
  const find = h('input', { type: 'search', placeholder: 'Find a field', 'aria-label': 'Find a field', oninput: () => { for (const [i, b] of boxes.entries()) b.hidden = !all[i].toLowerCase().includes(find.value.toLowerCase()); } });
  const d = dialog('Columns', find, h('div', { class: 'choices' }, boxes), h('p', { class: 'buttons' }, button('Default', () => { d.close(); setColumns(DEFAULT_COLUMNS); }), button('Show', () => {
    const now = boxes.map(b => b.firstChild).filter(b => b.checked).map(b => b.value);
    d.close();
    setColumns([...chosen.filter(c => now.includes(c)), ...now.filter(c => !chosen.includes(c))]);
  }, { class: 'primary' })));
}

// ---- the page ----

function bodyOf(range, after) {
  const width = interval(range), query = filtered(state.get('q'), range);
  if (after) return { size: PAGE, track_total_hits: false, query, sort: SORT, search_after: after };
  return {
    size: PAGE, track_total_hits: true, query, sort: SORT,
    aggs: { time: perTime(range, width, { failed: { filter: FAILED } }), ...Object.fromEntries(FACETS.map(([field, name]) => [name, { terms: { field, size: 5 } }])) },
  };
}

function nothing(url) {
  if (state.get('q')) return empty('No event matches', 'In this time range, at least.', { actions: [button('Without the query', () => state.set({ q: null })), ' ', button('The last 7 days', () => state.set({ from: 'now-7d', to: null }))] });
  return empty('No event in this time range', 'Each prediction is one. Send one, and it is here within a second:', {
    code: `curl -s ${url}/models/NAME/predict -H 'Content-Type: application/json' -d '{"feature": 1.0}'`, actions: [button('The last 7 days', () => state.set({ from: 'now-7d', to: null }))],
  });
}

export function mount(root) {
  let url = 'http://127.0.0.1:8000', hits = [], more = false, ask = 0;
  links().then(l => { url = l.serving; }, () => {});
  const copy = () => copyAs(() => searchRequest('predictions', bodyOf(state.range())));
  const time = panel('Events over time', { note: 'drag to choose a time', actions: copy(), id: 'histogram' });
  const chart = timeChart({ type: 'bar', stacked: true, height: 110, label: 'Events over time', onBrush: (a, b) => state.setRange(a, b), format: short });
  const facets = panel('Values', { note: 'click to filter', id: 'facets' });
  const list = panel('Newest first', { id: 'list', actions: [button('Columns', chooseColumns, { id: 'columns' }), copy()] });
  const rows = table(columnNames().map(columnOf), { label: 'Events', key: r => r._id, columns: [], open: hit => state.set({ id: hit._id }) });
  const moreButton = button('Show more', () => showMore());
  const foot = h('p', { class: 'more' }, moreButton);
  rows.columns(wrapped());
  time.show(chart.root);
  const bar = controls({ title: 'Events', query: true, refresh: () => loop.now() });
  root.append(bar.root, time.root, h('div', { class: 'with-facets' }, facets.root, list.root));

  function wrapped() { return columnNames().map(columnOf).map(c => ({ ...c, cell: hit => c.cell(hit._source) })); }
  function draw() {
    list.show(hits.length ? rows.root : nothing(url), ...hits.length && more ? [foot] : []);
    if (hits.length) rows.rows(hits);
    rows.select(state.get('id'));
  }
  function show(a, range) {
    const width = interval(range), t = a.aggregations.time.buckets, failed = t.some(b => b.failed.doc_count);
    time.note(`${count(a.hits.total.value)} in ${width / 1000 >= 60 ? width / 60e3 + ' min' : width / 1000 + ' s'} bars, drag to choose a time`);
    chart.update([{ label: 'ok', color: 'c1', points: t.map(b => [b.key, b.doc_count - b.failed.doc_count]) }, ...failed ? [{ label: 'not ok', color: 'bad', points: t.map(b => [b.key, b.failed.doc_count]) }] : []], range);
    facets.show(...FACETS.filter(([, name]) => a.aggregations[name].buckets.length).map(([, name]) => h('div', { class: 'facet' }, h('h3', {}, name), barList(a.aggregations[name].buckets.map(b => ({
      label: String(b.key), value: b.doc_count, text: short(b.doc_count), kind: name === 'status' ? b.key === 'ok' ? 'good' : 'bad' : 'mark', onclick: e => filterMenu(e.currentTarget, name, b.key),
    })), { label: name }))));
    const fresh = a.hits.hits;
    if (hits.length <= PAGE || !fresh.length || !hits.some(x => x._id === fresh[0]._id)) {
      if (hits.length > PAGE && fresh.length) return; /* older pages are being read: they stay */
      const same = fresh.length === hits.length && fresh.every((x, i) => x._id === hits[i]._id);
      hits = fresh;
      more = fresh.length === PAGE;
      if (!same || !hits.length) draw();
    }
  }
  async function showMore() {
    const mine = ask;
    moreButton.disabled = true;
    try {
      const next = (await search('predictions', bodyOf(state.range(), hits.at(-1).sort))).hits.hits;
      if (mine !== ask) return;
      hits = [...hits, ...next.filter(n => !hits.some(x => x._id === n._id))];
      more = next.length === PAGE;
      draw();
    } catch (e) { toastError(e); } finally { moreButton.disabled = false; }
  }

  // ---- the one at the side ----

  let opened = '';
  async function open() {
    const id = state.get('id');
    rows.select(id);
    if (id === opened) return;
    opened = id;
    if (!id) return void closeDrawer();
    let hit = hits.find(x => x._id === id);
    try {
      hit ??= await call('GET', `/api/search/predictions/_doc/${encodeURIComponent(id)}`);
      if (opened === id) openEvent(hit._source, { id, narrow: narrowTo, step: by => step(by), onclose: () => { opened = ''; state.set({ id: null }); } });
    } catch (e) {
      opened = '';
      toastError(e.status === 404 ? { message: 'That event is not in the index', hint: 'It may be older than what is kept, or of another machine.' } : e);
    }
  }
  function step(by) {
    const hit = rows.move(by);
    if (hit && opened) state.set({ id: hit._id }, { replace: true });
  }

  async function refresh(options) {
    const range = state.range();
    try {
      const a = await search('predictions', bodyOf(range), options);
      bar.problem(null);
      show(a, range);
    } catch (e) {
      if (e.name === 'AbortError') throw e;
      if (e.status === 400) return void bar.problem(e.message);
      if (e.status === 404) { hits = []; draw(); return; }
      if (!hits.length) list.fail(e, () => loop.now());
      throw e;
    }
  }
  let first = true;
  const loop = poll(async options => {
    if (!first && bar.paused()) return;
    await refresh(options);
    if (first) { first = false; open(); }
  }, 2000);
  const off = state.on(changed => {
    if (changed.includes('columns')) { rows.columns(wrapped()); if (hits.length) draw(); }
    if (changed.some(k => ['q', 'from', 'to'].includes(k))) { hits = []; ask++; first = true; loop.now(); }
    if (changed.includes('id')) open();
  });
  return {
    stop() { off(); loop.stop(); bar.stop(); chart.destroy(); closeDrawer(); },
    keys: { j: () => step(1), k: () => step(-1), Enter: () => rows.open() },
  };
}
