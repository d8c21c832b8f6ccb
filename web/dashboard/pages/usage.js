// Usage: who asks, how much, when; who is new; what changed against the period before.
import { fieldCaps, search } from '../lib/api.js';
import { timeChart } from '../lib/charts.js';
import { controls } from '../lib/controls.js';
import { copyAs, searchRequest } from '../lib/copy.js';
import { clear, h } from '../lib/dom.js';
import { ago, count, micros, percent, span } from '../lib/format.js';
import { poll } from '../lib/live.js';
import { is, narrow } from '../lib/query.js';
import * as state from '../lib/state.js';
import { table } from '../lib/table.js';
import { badge, button, empty, panel, tile } from '../lib/ui.js';
import * as data from '../data/usage.js';
import { sparkline } from '../parts/plots.js';

const EVERY_MS = 5000, NAMES = { user: 'User', client: 'Client address', session: 'Session', route: 'Route', principal: 'Principal' };
const PLURAL = { user: 'users', client: 'clients', session: 'sessions', route: 'routes', principal: 'principals' };
const HEADER = { user: 'X-User-Id: anna', session: 'X-Session-Id: 8f3a' };
const WEEKDAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const titleOf = by => NAMES[by] ?? by.replace('tag:', 'Tag ');
const pluralOf = by => PLURAL[by] ?? 'values';

function heatMap({ cells, most }) {
  const two = n => String(n).padStart(2, '0');
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Predictions by weekday and hour' }, h('table', { class: 'week' },
    h('thead', {}, h('tr', {}, h('th', {}, ''), Array.from({ length: 24 }, (_, i) => h('th', { scope: 'col' }, i % 3 ? '' : two(i))))),
    h('tbody', {}, cells.map((row, d) => h('tr', {}, h('th', { scope: 'row' }, WEEKDAYS[d].slice(0, 3)), row.map((n, i) => h('td', { class: 'heat use', style: { '--part': most ? Math.sqrt(n / most) : 0 }, title: `${WEEKDAYS[d]} ${two(i)}:00: ${count(n)}`, 'aria-label': count(n) })))))));
}

export function mount(root) {
  let bodies = {}, caps = {}, ready = false;
  const by = () => state.get('by', 'user');
  const copy = key => copyAs(() => searchRequest('predictions', bodies[key] ?? data.tableBody(state.get('q'), state.range(), by())));
  const eventsOf = key => state.hrefKeep('events', { q: narrow(state.get('q'), is(data.nameOf(by()), key)) });
  const link = key => h('a', { href: eventsOf(key), class: 'wrap' }, key);
  const onBrush = (from, to) => state.setRange(from, to);

  const total = tile('Predictions', { id: 'total' }), distinct = tile('Users', { id: 'distinct' }), fresh = tile('New', { id: 'new' }), returning = tile('Returning', { id: 'returning' }), without = tile('Without', { id: 'without' }), failed = tile('Not answered', { id: 'failed' });
  const course = panel('New and returning', { id: 'course', actions: copy('presence') }), heat = panel('Hour and weekday', { id: 'heat', actions: copy('heat') });
  const who = panel('Who', { id: 'who', wide: true, actions: copy('table') }), move = panel('Top movers', { id: 'movers', actions: copy('movers') }), traffic = panel('Predictions over time', { id: 'traffic', actions: copy('table') });
  const courseChart = timeChart({ type: 'bar', stacked: true, label: 'New and returning over time', onBrush }), trafficChart = timeChart({ type: 'bar', label: 'Predictions over time', onBrush });
  const first = () => ({ title: titleOf(by()), class: 'grow', cell: r => link(r.key) });
  const whoColumns = () => [
    first(),
    { title: 'Predictions', class: 'num', cell: r => count(r.n) },
    { title: 'Share', class: 'num', cell: r => percent(r.n / r.total) },
    { title: 'Not answered', class: 'num', cell: r => r.failed ? h('span', { class: 'bad' }, percent(r.failed / r.n)) : '0 %' },
    { title: 'p95', class: 'num', cell: r => micros(r.p95) },
    { title: 'Routes', cell: r => r.routes.join(', ') },
    { title: 'Last', class: 'num', cell: r => ago(r.last) },
    { title: 'Course', cell: r => sparkline(r.time.map(x => [x.t, x.n]), { label: 'Predictions over time' }) },
  ];
  const whoTable = table(whoColumns(), { label: 'Who', key: r => r.key, open: r => state.go('events', { q: narrow(state.get('q'), is(data.nameOf(by()), r.key)) }) });
  const moverColumns = () => [
    first(),
    { title: 'Before', class: 'num', cell: r => count(r.before) }, { title: 'Now', class: 'num', cell: r => count(r.now) },
    { title: 'Change', class: 'num', cell: r => badge((r.change > 0 ? '+' : '−') + count(Math.abs(r.change)) + (r.before && r.now ? ` (${r.change > 0 ? '+' : '−'}${percent(Math.abs(r.change) / r.before)})` : r.before ? ' gone' : ' new'), r.change > 0 ? 'good' : 'warn') },
  ];
  const moverTable = table(moverColumns(), { label: 'Top movers', key: r => r.key, empty: 'Nothing changed against the period before.' });

  const choose = h('div', { class: 'choose' }), select = h('select', { id: 'by', onchange: () => state.set({ by: select.value === 'user' ? null : select.value }) });
  choose.append(h('label', { class: 'pick' }, h('span', { class: 'soft' }, 'By'), select));
  const bar = controls({ title: 'Usage', query: true, refresh: () => loop.now() });
  const body = h('div', {}, h('div', { class: 'tiles' }, [total, distinct, fresh, returning, without, failed].map(t => t.root)), h('div', { class: 'grid' }, traffic.root, course.root), h('div', { class: 'grid' }, heat.root, move.root), who.root), nothing = h('section', { class: 'panel', hidden: true });
  root.append(bar.root, choose, body, nothing);

  function drawBy() {
    if (document.activeElement === select) return;
    const options = [...data.KINDS.map(k => [k, NAMES[k]]), ...data.tagNames(caps).map(t => ['tag:' + t, 'Tag ' + t])];
    if (!options.some(([v]) => v === by())) options.push([by(), titleOf(by())]);
    clear(select, options.map(([v, text]) => h('option', { value: v, selected: v === by() }, text)));
  }
  function showNothing(what) {
    body.hidden = true;
    nothing.hidden = false;
    clear(nothing, h('div', { class: 'body' }, what));
  }

  function show(t, n, heatAnswer, moversAnswer, range) {
    const plural = pluralOf(by());
    total.set(count(t.total), { note: 'in this range' });
    clear(distinct.root.querySelector('.label'), plural[0].toUpperCase() + plural.slice(1));
    distinct.set(count(t.distinct), { note: 'distinct' });
    fresh.set((n.cut ? '≥ ' : '') + count(n.fresh), { note: 'never seen before' });
    returning.set(count(n.returning), { note: 'seen before this range' });
    without.set(t.total ? percent(t.without / t.total) : '–', { note: `${count(t.without)} name no ${NAMES[by()]?.toLowerCase() ?? 'value'}` });
    failed.set(t.total ? percent(t.failed / t.total) : '–', { bad: t.failed > 0, note: count(t.failed) + ' predictions' });
    traffic.show(trafficChart.root);
    trafficChart.update([{ label: 'predictions', color: 'c1', points: t.time.map(x => [x.t, x.n]) }], range);
    const noNames = () => empty(`No prediction names a ${NAMES[by()]?.toLowerCase() ?? 'value of this tag'}`, 'Callers say it in a header of the request:', { code: `curl ... -H '${HEADER[by()] ?? 'X-Tag-' + (by().startsWith('tag:') ? by().slice(4) : 'team') + ': fraud'}'` });
    if (t.rows.length) { course.show(courseChart.root); courseChart.update([{ label: 'returning', color: 'c1', points: n.time.map(x => [x.t, x.returning]) }, { label: 'new', color: 'c2', points: n.time.map(x => [x.t, x.fresh]) }], range); }
    else course.show(noNames());
    course.note(plural + (n.cut ? `, of the ${data.NAMES_MAX} busiest` : ''));
    const week = data.heatRange(range);
    heat.note(week.from === range.from ? 'in this range, your time zone' : 'the four weeks up to the end of this range, your time zone');
    heat.show(heatMap(data.heat(heatAnswer)));
    move.note(`against the ${span(range.to - range.from)} before`);
    moverTable.rows(data.movers(moversAnswer));
    move.show(moverTable.root);
    who.title(`By ${titleOf(by()).toLowerCase()}`);
    who.note(t.others ? `the ${t.rows.length} busiest; ${count(t.others)} predictions are of others` : '');
    whoTable.rows(t.rows.map(r => ({ ...r, total: t.total })));
    t.rows.length ? who.show(whoTable.root) : who.show(noNames());
  }

  async function ask(options) {
    const range = state.range(), q = state.get('q'), kind = by();
    try {
      bodies = { table: data.tableBody(q, range, kind), presence: data.presenceBody(q, range, kind), heat: data.heatBody(q, range), movers: data.moversBody(q, range, kind) };
      const asked = b => search('predictions', b, options);
      const [t, presence, heatAnswer, moversAnswer, known] = await Promise.all([asked(bodies.table), asked(bodies.presence), asked(bodies.heat), asked(bodies.movers), fieldCaps('predictions', options)]);
      const names = data.present(presence), before = names.length ? await asked(data.beforeBody(range, kind, names)) : null;
      caps = known;
      ready = true;
      bar.problem(null);
      drawBy();
      const result = data.table(t);
      if (!result.total) return showNothing(empty('No prediction in this time range', q ? 'The query leaves nothing: widen it, or choose a longer range.' : 'Who uses the models is shown once they are used.', { actions: [button('Show the last 7 days', () => state.set({ from: 'now-7d', to: null }))] }));
      body.hidden = false;
      nothing.hidden = true;
      show(result, data.newAndReturning(presence, before), heatAnswer, moversAnswer, range);
    } catch (e) {
      if (e.name === 'AbortError') throw e;
      if (e.status === 400) bar.problem(e.message);
      showNothing(e.status === 404 ? empty('No prediction yet', 'Who uses the models is shown once they are used.') : h('div', { class: 'empty failed', role: 'alert' }, h('p', { class: 'what bad' }, e.message), h('p', { class: 'soft' }, e.hint ?? ''), button('Try again', () => loop.now())));
      throw e;
    }
  }
  const loop = poll(async options => { if (!bar.paused() || !ready) await ask(options); }, EVERY_MS);
  const off = state.on(() => { ready = false; whoTable.columns(whoColumns()); moverTable.columns(moverColumns()); loop.now(); });
  drawBy();
  return {
    keys: { j: () => whoTable.move(1), k: () => whoTable.move(-1), Enter: () => whoTable.open() },
    stop() { off(); loop.stop(); bar.stop(); courseChart.destroy(); trafficChart.destroy(); },
  };
}
