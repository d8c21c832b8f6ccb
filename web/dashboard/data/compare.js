// Two sides of a route: what Compare asks the index, and what it works out of the answers. No page in here.
//
// A side is `production` or `shadow` (roles of the route) or `MODEL/VERSION`.
import { filtered, perTime } from '../lib/query.js';

const SHADOW = { term: { 'role.keyword': 'shadow' } };

export function sideFilter(side) {
  if (side === 'shadow') return SHADOW;
  const slash = side.lastIndexOf('/');
  if (slash < 0) return { bool: { must_not: [SHADOW] } };
  return { bool: { filter: [{ term: { 'model.keyword': side.slice(0, slash) } }, { term: { 'model_version.keyword': side.slice(slash + 1) } }] } };
}

const ofRoute = route => route ? [{ term: { 'route.keyword': route } }] : [];
const ANSWERED = { term: { 'status.keyword': 'ok' } };

// ---- what can be compared ----

export const choicesBody = range => ({
  size: 0, query: filtered('', range),
  aggs: { routes: { terms: { field: 'route.keyword', size: 100 }, aggs: {
    roles: { terms: { field: 'role.keyword', size: 5 } },
    models: { terms: { field: 'model.keyword', size: 20 }, aggs: { versions: { terms: { field: 'model_version.keyword', size: 50 } } } },
  } } },
});

// [{route, shadow: has one, sides: [MODEL/VERSION, ..]}, ..], busiest first
export const choices = answer => (answer.aggregations?.routes.buckets ?? []).map(r => ({
  route: r.key,
  shadow: r.roles.buckets.some(b => b.key === 'shadow'),
  sides: r.models.buckets.flatMap(m => m.versions.buckets.map(v => ({ n: v.doc_count, side: `${m.key}/${v.key}` }))).sort((x, y) => y.n - x.n).map(v => v.side),
}));

// The sides to begin with: production and its shadow, else the two busiest versions.
export const defaultSides = choice => !choice || choice.shadow || choice.sides.length < 2 ? ['production', 'shadow'] : choice.sides.slice(0, 2).reverse();

// ---- a sample of each side: all events, or some of each part of the range ----

const ALL_UP_TO = 500, SLICES = 30, PER_SLICE = 40;
const WANTED = ['@timestamp', 'event_id', 'request_id', 'row', 'model', 'model_version', 'prediction', 'class_probabilities_map'];

export function sampleBody(q, range, route, side) {
  const width = Math.max(1000, Math.ceil((range.to - range.from) / SLICES / 1000) * 1000);
  return {
    size: ALL_UP_TO, _source: WANTED, sort: [{ '@timestamp': 'desc' }], track_total_hits: true, query: filtered(q, range, ...ofRoute(route), ANSWERED, sideFilter(side)),
    aggs: { slices: { date_histogram: { field: '@timestamp', fixed_interval: width / 1000 + 's', min_doc_count: 1 }, aggs: {
      some: { top_hits: { size: PER_SLICE, sort: [{ '@timestamp': 'desc' }], _source: WANTED } },
    } } },
  };
}
// {total: how many there are, docs: newest first}: all where they are few
export function sampled({ hits, aggregations }) {
  const total = hits.total.value, of = list => list.map(x => x._source);
  if (total <= hits.hits.length) return { total, docs: of(hits.hits) };
  return { total, docs: aggregations.slices.buckets.flatMap(b => of(b.some.hits.hits)).sort((x, y) => y['@timestamp'].localeCompare(x['@timestamp'])) };
}

// Which version a side is: MODEL VERSION of its newest event.
export const versionOf = docs => docs[0]?.model ? `${docs[0].model} ${docs[0].model_version}` : null;

// ---- what the answers look like ----

// {outputs: names, output: the chosen one, kind: 'class' or 'number', names: Map(label of b → label of a), labels: of a}; null: no answer yet.
// A side that answers 0, 1, 2 where the other says setosa, versicolor, virginica means the same classes by their place.
export function shape(aDocs, bDocs, wanted) {
  const doc = [...aDocs, ...bDocs].find(d => d.prediction && typeof d.prediction === 'object' && Object.keys(d.prediction).length);
  if (!doc) return null;
  const outputs = Object.keys(doc.prediction), output = outputs.includes(wanted) ? wanted : outputs[0], one = doc.prediction[output];
  const labelsOf = docs => Object.keys(docs.find(d => d.class_probabilities_map)?.class_probabilities_map ?? {});
  const a = labelsOf(aDocs), b = labelsOf(bDocs), numbered = list => list.every((l, i) => l === String(i)), names = new Map();
  if (a.length && a.length === b.length && numbered(a) !== numbered(b)) b.forEach((l, i) => names.set(l, a[i]));
  return { outputs, output, labels: a, names, kind: typeof one === 'number' && !a.length && !b.length ? 'number' : 'class' };
}
// The answer as its side says it, and under the name that both sides share.
export const valueOf = (doc, s) => doc.prediction?.[s.output];
export const named = (value, side, s) => side === 'b' ? s.names.get(String(value)) ?? String(value) : String(value);
export const confidenceOf = (doc, s) => doc.class_probabilities_map?.[String(valueOf(doc, s))] ?? null;

// Parts of the sample by confidence, in steps of 5 %: [0..1] each; null without probabilities.
export const STEPS = 20;
export function confidence(docs, s) {
  const steps = Array(STEPS).fill(0);
  let n = 0;
  for (const d of docs) {
    const p = confidenceOf(d, s);
    if (typeof p !== 'number') continue;
    steps[Math.max(0, Math.min(STEPS - 1, Math.floor(p * STEPS)))]++;
    n++;
  }
  return n ? steps.map(x => x / n) : null;
}

// ---- counts and latency of both sides ----

export const MEASURES = { compute: 'latency.compute_us', total: 'latency.total_us', queue: 'latency.queue_us' };

// field: what the index calls the chosen output for exact values
export function sidesBody(q, range, route, sides, s, field, measure, width) {
  const latency = { percentiles: { field: MEASURES[measure], percents: [50, 95, 99] } };
  return {
    size: 0, query: filtered(q, range, ...ofRoute(route)),
    aggs: { sides: { filters: { filters: { a: sideFilter(sides[0]), b: sideFilter(sides[1]) } }, aggs: {
      status: { terms: { field: 'status.keyword', size: 5 } },
      ...(s.kind === 'class' ? { classes: { terms: { field, size: 24 } } } : { spread: { percentiles: { field, percents: [5, 25, 50, 75, 95] } }, mean: { avg: { field } } }),
      latency, time: perTime(range, width, { latency }),
    } } },
  };
}

const percentile = (agg, p) => agg?.values?.[p + '.0'] ?? null;
const quantiles = agg => ({ p50: percentile(agg, 50), p95: percentile(agg, 95), p99: percentile(agg, 99) });

// One side of the answer. classes: Map(shared name → count), of the sample where the index could not count them.
export function sideOf(answer, side, s, docs) {
  const b = answer.aggregations.sides.buckets[side], classes = new Map();
  let buckets = (b.classes?.buckets ?? []).map(x => [x.key_as_string ?? x.key, x.doc_count]);
  const fromSample = s.kind === 'class' && !buckets.length && docs.length > 0;
  if (fromSample) buckets = docs.map(d => [valueOf(d, s), 1]);
  for (const [label, n] of buckets) classes.set(named(label, side, s), (classes.get(named(label, side, s)) ?? 0) + n);
  return {
    events: b.doc_count, classes, fromSample,
    failed: b.status.buckets.filter(x => x.key !== 'ok').reduce((n, x) => n + x.doc_count, 0),
    spread: b.spread ? [5, 25, 50, 75, 95].map(p => [p, percentile(b.spread, p)]) : null, mean: b.mean?.value ?? null,
    latency: quantiles(b.latency),
    time: b.time.buckets.map(x => ({ t: x.key, ...quantiles(x.latency) })),
  };
}

// ---- pairs: the same row answered by both ----

// The other side's events of these requests. A shadow answers later, so the time range is not asked for.
const CHUNK = 250;
export function partnersBodies(docs, route, side) {
  const ids = [...new Set(docs.map(d => d.request_id))], bodies = [];
  for (let i = 0; i < ids.length; i += CHUNK)
    bodies.push({ size: 10000, _source: WANTED, query: { bool: { filter: [...ofRoute(route), ANSWERED, sideFilter(side), { terms: { 'request_id.keyword': ids.slice(i, i + CHUNK) } }] } } });
  return bodies;
}

const rowKey = d => d.request_id + '\n' + d.row;
const TOLERANCE = 0.01; // of the larger one: numbers that differ less agree

// [{a, b: documents, va, vb: answers under their shared names, t, agree}], newest first
export function pairUp(aDocs, bDocs, s) {
  const others = new Map(aDocs.map(d => [rowKey(d), d])), pairs = [];
  for (const b of bDocs) {
    const a = others.get(rowKey(b));
    if (!a || a.event_id === b.event_id) continue;
    const x = valueOf(a, s), y = valueOf(b, s), number = s.kind === 'number';
    const va = number ? x : named(x, 'a', s), vb = number ? y : named(y, 'b', s);
    pairs.push({ a, b, va, vb, t: Date.parse(a['@timestamp']), agree: number ? Math.abs(x - y) <= TOLERANCE * Math.max(Math.abs(x), Math.abs(y)) : va === vb });
  }
  return pairs.sort((x, y) => y.t - x.t);
}

const LABELS_MAX = 12;
// {n, agree, rate, time: [[ms, rate or null]], labels, cells: counts [row of a][column of b], moreLabels}
export function agreement(pairs, range, width) {
  const slots = new Map(), labels = new Map();
  let agree = 0;
  for (const p of pairs) {
    const t = Math.floor(p.t / width) * width, slot = slots.get(t) ?? { n: 0, agree: 0 };
    slot.n++;
    slot.agree += p.agree;
    agree += p.agree;
    slots.set(t, slot);
    for (const v of [p.va, p.vb]) labels.set(String(v), (labels.get(String(v)) ?? 0) + 1);
  }
  const time = [];
  for (let t = Math.floor(range.from / width) * width; t < range.to; t += width) time.push([t, slots.has(t) ? slots.get(t).agree / slots.get(t).n : null]);
  const top = [...labels].sort((x, y) => y[1] - x[1]).slice(0, LABELS_MAX).map(([l]) => l).sort((x, y) => x.localeCompare(y, 'en', { numeric: true })), at = new Map(top.map((l, i) => [l, i]));
  const cells = top.map(() => top.map(() => 0));
  for (const p of pairs) {
    const i = at.get(String(p.va)), j = at.get(String(p.vb));
    if (i !== undefined && j !== undefined) cells[i][j]++;
  }
  return { n: pairs.length, agree, rate: pairs.length ? agree / pairs.length : null, time, labels: top, cells, moreLabels: labels.size - top.length };
}

// Inputs of the events that are shown.
export const inputsBody = ids => ({ size: ids.length, _source: ['event_id', 'input'], query: { terms: { 'event_id.keyword': ids } } });
