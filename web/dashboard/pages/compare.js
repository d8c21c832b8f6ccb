// Compare: production against its shadow, or any two versions: what they answer, how sure and how fast they are, where they differ.
import { search } from '../lib/api.js';
import { timeChart } from '../lib/charts.js';
import { controls, fields } from '../lib/controls.js';
import { copyAs, searchRequest } from '../lib/copy.js';
import { clear, h } from '../lib/dom.js';
import { answer as answerText, count, micros, moment, percent, short, value } from '../lib/format.js';
import { poll } from '../lib/live.js';
import { filtered, interval, is, narrow } from '../lib/query.js';
import * as state from '../lib/state.js';
import { table } from '../lib/table.js';
import { badge, button, empty, iconButton, panel, tile } from '../lib/ui.js';
import * as data from '../data/compare.js';
import { columns } from '../parts/plots.js';

const EVERY_MS = 5000, SHOWN = 50;
const SIDES = [['a', 'A', 'c1'], ['b', 'B', 'c2']];
const sideText = side => side === 'production' ? 'production' : side === 'shadow' ? 'shadow' : side.replace(/\/([^/]*)$/, ' $1');

// The side's events, in the query language.
function sideQuery(q, route, side) {
  const of = route ? narrow(q, is('route', route)) : q, slash = side.lastIndexOf('/');
  if (side === 'shadow') return narrow(of, is('role', 'shadow'));
  return slash < 0 ? narrow(of, is('role', 'shadow'), true) : narrow(narrow(of, is('model', side.slice(0, slash))), is('model_version', side.slice(slash + 1)));
}

function pick(label, options, chosen, onchange) {
  return h('label', { class: 'pick' }, h('span', { class: 'soft' }, label), h('select', { onchange: e => onchange(e.target.value) }, options.map(([v, text]) => h('option', { value: v, selected: v === chosen }, text))));
}

function segments(key, otherwise, options, label) {
  const chosen = state.get(key, otherwise);
  return h('span', { class: 'segments', role: 'group', 'aria-label': label }, options.map(([v, text]) => h('button', { type: 'button', 'aria-pressed': String(v === chosen), onclick: () => state.set({ [key]: v === otherwise ? null : v }) }, text)));
}

// ---- panels from data ----

function distribution(s, a, b, link) {
  const labels = [...new Set([...a.classes.keys(), ...b.classes.keys()])], sum = m => [...m.values()].reduce((n, x) => n + x, 0), totals = { a: sum(a.classes), b: sum(b.classes) };
  const part = (side, m, l) => totals[side] ? (m.get(l) ?? 0) / totals[side] : 0;
  labels.sort((x, y) => part('a', a.classes, y) - part('a', a.classes, x) || x.localeCompare(y));
  return h('ul', { class: 'bars two', 'aria-label': 'Share of each class' }, labels.map(l => h('li', {}, link(l),
    SIDES.map(([side, name, color]) => {
      const p = part(side, side === 'a' ? a.classes : b.classes, l);
      return h('span', { class: 'two-row' }, h('span', { class: 'bar ' + color, style: { '--part': p * 100 + '%', '--fill': `var(--${color})` } }), h('span', { class: 'num soft', title: count((side === 'a' ? a : b).classes.get(l) ?? 0) }, `${name} ${percent(p)}`));
    }))));
}

function spread(a, b) {
  const row = (name, f) => h('tr', {}, h('th', { scope: 'row' }, name), [a, b].map(x => h('td', { class: 'num' }, short(f(x)))));
  return h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, h('tr', {}, h('th', {}, 'Answer'), h('th', { class: 'num' }, 'A'), h('th', { class: 'num' }, 'B'))),
    h('tbody', {}, row('mean', x => x.mean), [5, 25, 50, 75, 95].map((p, i) => row(p === 50 ? 'median' : p + ' %', x => x.spread?.[i][1])))));
}

function matrix(m) {
  const most = Math.max(1, ...m.cells.flat());
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Confusion matrix' }, h('table', { class: 'matrix' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'A ↓  B →'), m.labels.map(l => h('th', { scope: 'col', class: 'num' }, l)))),
    h('tbody', {}, m.labels.map((l, i) => h('tr', {}, h('th', { scope: 'row' }, l), m.cells[i].map((n, j) => h('td', { class: 'num heat' + (i === j ? ' same' : ''), style: { '--part': n / most }, title: `A says ${l}, B says ${m.labels[j]}: ${count(n)}` }, n ? count(n) : '·')))))));
}

const LATENCY_ROWS = [['p50', 'p50'], ['p95', 'p95'], ['p99', 'p99']];
function latencyTable(a, b) {
  const ratio = (x, y) => x && y ? '×' + short(y / x) : '–';
  return h('table', { class: 'small' }, h('thead', {}, h('tr', {}, h('th', {}, ''), h('th', { class: 'num' }, 'A'), h('th', { class: 'num' }, 'B'), h('th', { class: 'num' }, 'B to A'))),
    h('tbody', {}, LATENCY_ROWS.map(([k, name]) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', { class: 'num' }, micros(a.latency[k])), h('td', { class: 'num' }, micros(b.latency[k])), h('td', { class: 'num' }, ratio(a.latency[k], b.latency[k]))))));
}

// ---- the page ----

const NO_PAIRS = () => empty('These two did not answer the same requests', 'Agreement needs one of them beside the other: give a version the alias shadow, and it answers every request a second time, after the client has its reply.',
  { code: 'client.set_registered_model_alias("iris", "shadow", "2")', actions: [h('a', { href: state.hrefKeep('models') }, 'Choose a shadow on Models')] });

export function mount(root) {
  let known = [], bodies = {}, inputs = new Map();
  const copy = key => copyAs(() => searchRequest('predictions', bodies[key] ?? data.choicesBody(state.range())));
  const choose = h('div', { class: 'choose' }), onBrush = (from, to) => state.setRange(from, to);

  const agree = tile('Agreement', { id: 'agreement' }), tiles = { a: tile('A', { id: 'side-a' }), b: tile('B', { id: 'side-b' }), fa: tile('A not answered'), fb: tile('B not answered'), pa: tile('A p99'), pb: tile('B p99') };
  const classes = panel('Answers', { id: 'classes', actions: copy('sides') }), rate = panel('Agreement over time', { id: 'rate', actions: copy('sample') });
  const confusion = panel('Who says what', { id: 'confusion', actions: copy('sample') }), sure = panel('Confidence', { id: 'confidence', note: 'probability of the answer', actions: copy('sample') });
  const latency = panel('Latency over time', { id: 'latency', wide: true }), differ = panel('Disagreements', { id: 'differ', wide: true, actions: copy('sample') });
  const latencyActions = latency.root.querySelector('.actions'), latencyCopy = copy('sides');
  const rateChart = timeChart({ label: 'Part of the pairs that agree, over time', format: percent, min: 0, max: 1, onBrush, height: 200 });
  const latencyChart = timeChart({ label: 'Latency of both sides over time', format: micros, onBrush });
  const latencyBox = h('div', { class: 'with-table' }), classNote = h('p', { class: 'soft' });

  const differTable = table([
    { title: 'Time', class: 'time', cell: p => moment(p.t) },
    { title: 'A', class: 'says', cell: p => says(p.a, p.va, 'a') }, { title: 'B', class: 'says', cell: p => says(p.b, p.vb, 'b') },
    { title: 'Inputs', class: 'grow mono', cell: p => { const i = inputs.get(p.a.event_id); return i ? answerText(i) : ''; } },
    { title: 'Request', class: 'mono keep', cell: p => [h('a', { href: state.hrefKeep('events', { q: is('request_id', p.a.request_id) }), title: 'Both events' }, p.a.request_id.slice(-12)), p.a.row ? ` row ${p.a.row}` : ''] },
  ], { label: 'Disagreements', key: p => p.b.event_id, open: p => state.go('events', { q: is('request_id', p.a.request_id) }) });
  let shape = null;
  const says = (doc, v, side) => {
    const p = shape && data.confidenceOf(doc, shape), own = value(data.valueOf(doc, shape));
    return [badge(value(v), side === 'a' ? 'mark' : 'warn'), own === value(v) ? null : h('span', { class: 'soft' }, ` (${own})`), typeof p === 'number' ? h('span', { class: 'soft num' }, ' ' + percent(p)) : null];
  };

  const bar = controls({ title: 'Compare', query: true, refresh: () => loop.now() });
  const tileRow = h('div', { class: 'tiles' }, [agree, tiles.a, tiles.b, tiles.fa, tiles.fb, tiles.pa, tiles.pb].map(t => t.root));
  const body = h('div', {}, tileRow, h('div', { class: 'grid' }, classes.root, sure.root), h('div', { class: 'grid' }, rate.root, confusion.root), latency.root, differ.root), nothing = h('div', { hidden: true });
  root.append(bar.root, choose, body, nothing);

  // Route and sides: of the URL, else the busiest route and what fits it.
  function chosen() {
    const choice = known.find(c => c.route === state.get('route')) ?? (state.get('route') ? { route: state.get('route'), shadow: true, sides: [] } : known[0]);
    const usual = data.defaultSides(choice);
    return { choice, route: choice?.route ?? '', sides: [state.get('a', usual[0]), state.get('b', usual[1])] };
  }
  function drawChoice() {
    const { choice, route, sides } = chosen();
    const options = [...new Set(['production', 'shadow', ...choice?.sides ?? [], ...sides])].map(s => [s, sideText(s)]);
    const routes = [...new Set([...known.map(c => c.route), route])].map(r => [r, r]);
    const focused = document.activeElement?.closest?.('.choose select'), at = focused ? [...choose.querySelectorAll('select')].indexOf(focused) : -1;
    if (at >= 0) return; // a list that is open stays
    clear(choose, pick('Route', routes, route, v => state.set({ route: v, a: null, b: null, output: null })), pick('A', options, sides[0], v => state.set({ a: v })), pick('B', options, sides[1], v => state.set({ b: v })),
      iconButton('Swap A and B', 'compare', () => state.set({ a: sides[1], b: sides[0] })), shape && shape.outputs.length > 1 ? pick('Output', shape.outputs.map(o => [o, o]), shape.output, v => state.set({ output: v })) : null);
  }

  function showNothing(...what) {
    body.hidden = true;
    nothing.hidden = false;
    clear(nothing, h('section', { class: 'panel' }, h('div', { class: 'body' }, what)));
  }

  function showSides(a, b, samples, range, route, sides) {
    const q = state.get('q');
    for (const [side, t, f, p, x, docs] of [['a', tiles.a, tiles.fa, tiles.pa, a, samples.a.docs], ['b', tiles.b, tiles.fb, tiles.pb, b, samples.b.docs]]) {
      t.set(count(x.events), { note: `${sideText(sides[side === 'a' ? 0 : 1])}${data.versionOf(docs) ? ', ' + data.versionOf(docs) : ''}` });
      f.set(x.events ? percent(x.failed / x.events) : '–', { bad: x.failed > 0, note: count(x.failed) + ' events' });
      p.set(micros(x.latency.p99), { note: state.get('measure', 'compute') + ' time' });
    }
    const sample = a.fromSample || b.fromSample ? ', from a sample' : '';
    classes.note(shape.kind === 'class' ? `${shape.output}${sample}` : shape.output);
    const of = l => h('a', { class: 'bar-label', href: state.hrefKeep('events', { q: narrow(sideQuery(q, route, sides[0]), is('prediction.' + shape.output, l)) }) }, l);
    clear(classNote, shape.names.size ? `B answers with numbers; they are taken as A’s classes by their place: ${[...shape.names].slice(0, 6).map(([x, y]) => `${x} = ${y}`).join(', ')}${shape.names.size > 6 ? ' …' : ''}.` : '');
    classes.show(shape.kind === 'class' ? distribution(shape, a, b, of) : spread(a, b), ...shape.names.size ? [classNote] : []);
    const pct = state.get('pct', 'p95');
    clear(latencyActions, segments('measure', 'compute', [['compute', 'compute'], ['total', 'total'], ['queue', 'queue']], 'Which time'), segments('pct', 'p95', LATENCY_ROWS, 'Which percentile'), latencyCopy);
    latency.note(`${pct} of ${state.get('measure', 'compute')} time`);
    if (!latencyBox.contains(latencyChart.root)) latencyBox.append(latencyChart.root, h('div'));
    latencyBox.lastChild.replaceWith(latencyTable(a, b));
    latency.show(latencyBox);
    latencyChart.update(SIDES.map(([side, name, color]) => ({ label: `${name} ${sideText(sides[side === 'a' ? 0 : 1])}`, color, points: (side === 'a' ? a : b).time.map(x => [x.t, x[pct]]) })), range);
    const series = SIDES.map(([side, name, color]) => ({ label: `${name} ${sideText(sides[side === 'a' ? 0 : 1])}`, color, values: data.confidence(samples[side].docs, shape) })).filter(s => s.values);
    sure.show(series.length ? columns(series, { label: 'Parts of the answers by their probability', text: percent, names: Array.from({ length: data.STEPS }, (_, i) => `${i * 5}–${i * 5 + 5} %`), ticks: ['0', '25 %', '50 %', '75 %', '100 %'] })
      : empty('No probabilities in these answers', 'Models that give class probabilities are compared by how sure they are.'));
  }

  async function showPairs(pairs, total, range, options) {
    const width = interval(range, 30), m = data.agreement(pairs, range, width), all = m.n >= total;
    if (!m.n) {
      agree.set('–', { note: 'no common requests' });
      for (const p of [rate, confusion, differ]) p.show(NO_PAIRS());
      return;
    }
    const sample = all ? `all ${count(m.n)} pairs` : `${count(m.n)} of ${count(total)} pairs, spread over the range`;
    agree.set(percent(m.rate), { note: sample });
    rate.note(sample);
    confusion.note(shape.kind === 'number' ? 'within 1 %' : sample + (m.moreLabels > 0 ? `; the ${m.labels.length} most frequent classes` : ''));
    rate.show(rateChart.root);
    rateChart.update([{ label: 'agree', color: 'c3', fill: true, points: m.time }], range);
    confusion.show(shape.kind === 'class' ? matrix(m) : differences(pairs));
    const wrong = pairs.filter(p => !p.agree);
    differ.note(wrong.length ? `${count(wrong.length)}${all ? '' : ' in the sample'}${wrong.length > SHOWN ? `, the newest ${SHOWN}` : ''}` : '');
    if (!wrong.length) return void differ.show(empty('They agree on everything', `${sample}, not one of them different.`));
    const shown = wrong.slice(0, SHOWN), missing = shown.map(p => p.a.event_id).filter(id => !inputs.has(id));
    if (missing.length) {
      const a = await search('predictions', data.inputsBody(missing), options);
      if (inputs.size > 1000) inputs = new Map();
      for (const hit of a.hits.hits) inputs.set(hit._source.event_id, hit._source.input);
    }
    differTable.rows(shown);
    differ.show(differTable.root);
  }

  // Numbers: how far B's answers are from A's.
  function differences(pairs) {
    const off = pairs.map(p => Number(p.vb) - Number(p.va)).sort((x, y) => x - y), at = part => off[Math.min(off.length - 1, Math.floor(part * off.length))];
    const rows = [['mean of |B − A|', off.reduce((n, x) => n + Math.abs(x), 0) / off.length], ['mean of B − A', off.reduce((n, x) => n + x, 0) / off.length], ['5 % of B − A', at(0.05)], ['median of B − A', at(0.5)], ['95 % of B − A', at(0.95)]];
    return h('dl', { class: 'facts' }, rows.map(([k, v]) => [h('dt', {}, k), h('dd', {}, short(v))]));
  }

  async function ask(options) {
    const range = state.range(), q = state.get('q');
    try {
      known = data.choices(await search('predictions', data.choicesBody(range), options));
      const { route, sides } = chosen();
      if (!known.length && !state.get('route')) { drawChoice(); return showNothing(empty('No prediction in this time range', 'Two versions are compared by what they answered. Send predictions, or choose a longer range.', { actions: [button('Show the last 7 days', () => state.set({ from: 'now-7d', to: null }))] })); }
      const [sa, sb] = sides.map(side => data.sampleBody(q, range, route, side));
      const [a, b, caps] = await Promise.all([search('predictions', sa, options), search('predictions', sb, options), fields()]);
      const samples = { a: data.sampled(a), b: data.sampled(b) };
      shape = data.shape(samples.a.docs, samples.b.docs, state.get('output'));
      bar.problem(null);
      drawChoice();
      if (!shape) return showNothing(empty('Neither side has answered in this time range', q ? 'The query leaves nothing: widen it, or choose a longer range.' : 'Choose a longer range or other sides.', { actions: [button('Show the last 7 days', () => state.set({ from: 'now-7d', to: null }))] }));
      const width = interval(range), name = 'prediction.' + shape.output;
      bodies = { sample: sb, sides: data.sidesBody(q, range, route, sides, shape, caps.get(name)?.keyword ?? name, state.get('measure', 'compute'), width) };
      const [answer, ...partners] = await Promise.all([search('predictions', bodies.sides, options), ...data.partnersBodies(samples.b.docs, route, sides[0]).map(x => search('predictions', x, options))]);
      body.hidden = false;
      nothing.hidden = true;
      showSides(data.sideOf(answer, 'a', shape, samples.a.docs), data.sideOf(answer, 'b', shape, samples.b.docs), samples, range, route, sides);
      await showPairs(data.pairUp(partners.flatMap(p => p.hits.hits.map(x => x._source)), samples.b.docs, shape), samples.b.total, range, options);
    } catch (e) {
      if (e.name === 'AbortError') throw e;
      if (e.status === 400) bar.problem(e.message);
      if (e.status === 404) return showNothing(empty('No prediction yet', 'Two versions are compared by what they answered: send the first prediction.'));
      showNothing(h('div', { class: 'empty failed', role: 'alert' }, h('p', { class: 'what bad' }, e.message), h('p', { class: 'soft' }, e.hint ?? ''), button('Try again', () => loop.now())));
      throw e;
    }
  }
  const loop = poll(async options => { if (!bar.paused() || !shape) await ask(options); }, EVERY_MS);
  const off = state.on(() => { shape = null; loop.now(); });
  return {
    keys: { j: () => differTable.move(1), k: () => differTable.move(-1), Enter: () => differTable.open() },
    stop() { off(); loop.stop(); bar.stop(); rateChart.destroy(); latencyChart.destroy(); },
  };
}
