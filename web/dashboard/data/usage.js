// Who uses the models, when, and what changed: what Usage asks the index and works out. No page in here.
import { filtered, interval, perTime, PRIMARY } from '../lib/query.js';

// `by` of the URL → field. tag:NAME is a header X-Tag-NAME.
const FIELDS = { user: 'user.keyword', client: 'client.keyword', session: 'session.keyword', route: 'route.keyword', principal: 'principal.keyword' };
export const fieldOf = by => by.startsWith('tag:') ? `tags.${by.slice(4)}.keyword` : FIELDS[by] ?? FIELDS.user;
// The same without .keyword: what the query language calls it.
export const nameOf = by => fieldOf(by).replace(/\.keyword$/, '');
export const KINDS = Object.keys(FIELDS);

// Names of tags, from what the index knows of its fields.
export const tagNames = caps => [...new Set(Object.keys(caps ?? {}).filter(f => f.startsWith('tags.')).map(f => f.slice(5).replace(/\.keyword$/, '')))].sort();

const failed = { filters: { filters: { failed: { bool: { must_not: [{ term: { 'status.keyword': 'ok' } }] } } } } };

// ---- totals and the table ----

export function tableBody(q, range, by, size = 50) {
  const field = fieldOf(by), width = interval(range, 24);
  return {
    size: 0, track_total_hits: true, query: filtered(q, range, PRIMARY),
    aggs: {
      distinct: { cardinality: { field } }, without: { missing: { field } }, failed,
      time: perTime(range, interval(range, 60)),
      top: { terms: { field, size, order: { _count: 'desc' } }, aggs: {
        failed, p95: { percentiles: { field: 'latency.total_us', percents: [95] } }, last: { max: { field: '@timestamp' } },
        routes: { terms: { field: 'route.keyword', size: 3 } }, time: perTime(range, width),
      } },
    },
  };
}

export function table(answer) {
  const a = answer.aggregations;
  return {
    total: answer.hits.total.value,
    failed: a?.failed.buckets.failed.doc_count ?? 0,
    distinct: a?.distinct.value ?? 0,
    without: a?.without.doc_count ?? 0,
    others: a?.top.sum_other_doc_count ?? 0,
    time: (a?.time.buckets ?? []).map(b => ({ t: b.key, n: b.doc_count })),
    rows: (a?.top.buckets ?? []).map(b => ({
      key: b.key, n: b.doc_count, failed: b.failed.buckets.failed.doc_count, p95: b.p95.values['95.0'] ?? null, last: b.last.value,
      routes: b.routes.buckets.map(r => r.key), time: b.time.buckets.map(x => ({ t: x.key, n: x.doc_count })),
    })),
  };
}

// ---- new and returning ----

export const NAMES_MAX = 1000, SLOTS = 24;

// Who was there in each slot of the range.
export const presenceBody = (q, range, by) => ({
  size: 0, query: filtered(q, range, PRIMARY),
  aggs: { time: { ...perTime(range, interval(range, SLOTS)), aggs: { who: { terms: { field: fieldOf(by), size: NAMES_MAX } } } } },
});
export const present = answer => [...new Set((answer.aggregations?.time.buckets ?? []).flatMap(b => b.who.buckets.map(w => w.key)))].slice(0, NAMES_MAX);

// Which of them had been there before, ever: without what was typed, a regular is a regular.
export const beforeBody = (range, by, names) => ({
  size: 0, query: { bool: { filter: [PRIMARY, { range: { '@timestamp': { lt: range.from, format: 'epoch_millis' } } }, { terms: { [fieldOf(by)]: names } }] } },
  aggs: { who: { terms: { field: fieldOf(by), size: NAMES_MAX } } },
});

// {fresh, returning: how many, time: [{t, fresh, returning}], cut: not all were looked at}
export function newAndReturning(presence, before) {
  const known = new Set((before?.aggregations?.who.buckets ?? []).map(b => b.key)), seen = new Set(), time = [];
  let cut = false;
  const old = new Set(known);
  for (const b of presence.aggregations?.time.buckets ?? []) {
    let fresh = 0, returning = 0;
    cut ||= b.who.sum_other_doc_count > 0;
    for (const { key } of b.who.buckets) {
      if (known.has(key)) returning++;
      else fresh++;
      seen.add(key);
    }
    for (const { key } of b.who.buckets) known.add(key);
    time.push({ t: b.key, fresh, returning });
  }
  const returning = [...seen].filter(k => old.has(k)).length;
  return { fresh: seen.size - returning, returning, time, cut: cut || seen.size > NAMES_MAX };
}

// ---- hour × weekday ----

const WEEK = 7 * 86400e3;
// A shorter range says nothing about a week: then the four weeks up to its end.
export const heatRange = range => range.to - range.from >= WEEK ? range : { ...range, from: range.to - 4 * WEEK };
export const heatBody = (q, range) => ({
  size: 0, query: filtered(q, heatRange(range), PRIMARY),
  aggs: { hours: { date_histogram: { field: '@timestamp', fixed_interval: '1h', min_doc_count: 1 } } },
});
// cells[weekday from Monday][hour], in the browser's time zone, and the largest.
export function heat(answer) {
  const cells = Array.from({ length: 7 }, () => Array(24).fill(0));
  for (const b of answer.aggregations?.hours.buckets ?? []) {
    const d = new Date(b.key);
    cells[(d.getDay() + 6) % 7][d.getHours()] += b.doc_count;
  }
  return { cells, most: Math.max(0, ...cells.flat()) };
}

// ---- top movers ----

export const moversBody = (q, range, by) => ({
  size: 0, query: filtered(q, { from: range.from - (range.to - range.from), to: range.to }, PRIMARY),
  aggs: { top: { terms: { field: fieldOf(by), size: 500 }, aggs: { period: { filters: { filters: {
    now: { range: { '@timestamp': { gte: range.from, lt: range.to, format: 'epoch_millis' } } },
    before: { range: { '@timestamp': { lt: range.from, format: 'epoch_millis' } } },
  } } } } } },
});
// The ten whose count changed most: [{key, now, before, change}]
export const movers = answer => (answer.aggregations?.top.buckets ?? [])
  .map(b => ({ key: b.key, now: b.period.buckets.now.doc_count, before: b.period.buckets.before.doc_count }))
  .map(m => ({ ...m, change: m.now - m.before }))
  .filter(m => m.change).sort((x, y) => Math.abs(y.change) - Math.abs(x.change)).slice(0, 10);
