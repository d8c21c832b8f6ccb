// Overview: what is served, how much, how fast, how well, and what it costs.
import { call, links, search, serving } from '../lib/api.js';
import { timeChart } from '../lib/charts.js';
import { controls } from '../lib/controls.js';
import { copyAs, searchRequest } from '../lib/copy.js';
import { h } from '../lib/dom.js';
import { facts } from '../lib/event.js';
import { ago, bytes, count, micros, percent, seconds, short } from '../lib/format.js';
import { poll } from '../lib/live.js';
import { FAILED, filtered, interval, is, narrow, perTime, PRIMARY } from '../lib/query.js';
import * as state from '../lib/state.js';
import { badge, button, empty, panel, tile } from '../lib/ui.js';
import { barList, table } from '../lib/table.js';

const QUANTILES = { percentiles: { field: 'latency.total_us', percents: [50, 95, 99] } };

// The one question behind tiles, traffic and latency.
function trafficBody(range) {
  const width = interval(range);
  return {
    size: 0, track_total_hits: true, query: filtered('', range, PRIMARY),
    aggs: {
      time: perTime(range, width, { failed: { filter: FAILED }, latency: QUANTILES }),
      failed: { filter: FAILED }, latency: QUANTILES,
      versions: { terms: { field: 'model.keyword', size: 10 }, aggs: { version: { terms: { field: 'model_version.keyword', size: 10 }, aggs: { failed: { filter: FAILED }, latency: QUANTILES } } } },
      errors: { filter: FAILED, aggs: { why: { terms: { field: 'error.keyword', size: 5 } } } },
    },
  };
}

const p = (agg, percent) => agg?.values?.[percent + '.0'] ?? null;
const eventsLink = (q, text) => h('a', { href: state.hrefKeep('events', { q }) }, text);
const versionQuery = (model, version) => narrow(is('model', model), is('model_version', version));

// CPU and memory of both processes, from the history of metrics.
const named = (name, aggs) => ({ filter: { term: { 'name.keyword': name } }, aggs });
function machineBody(range) {
  const width = Math.max(10e3, interval(range)), each = field => ({ process: { terms: { field: 'labels.process.keyword', size: 5 }, aggs: { time: perTime(range, width, { value: { avg: { field } } }) } } });
  return { size: 0, query: filtered('', range), aggs: { cpu: named('process_cpu_seconds_total', each('rate')), memory: named('process_resident_memory_bytes', each('value')) } };
}
const PROCESS_COLOR = { serving: 'c1', platform: 'c3' };
const processLines = agg => agg.process.buckets.map((b, i) => ({ label: b.key, color: PROCESS_COLOR[b.key] ?? 'c' + (4 + i % 3), gaps: true, points: b.time.buckets.map(t => [t.key, t.value.value]) }));

// Prometheus text → [{name, labels, value}] of sibyl's own gauges.
function samples(text) {
  return [...text.matchAll(/^(sibyl_\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels, v]) => ({
    name, value: Number(v), labels: Object.fromEntries([...(labels ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, k, x]) => [k, x.replace(/\\(.)/g, (_, c) => c === 'n' ? '\n' : c)])),
  }));
}

// One row a model and role.
function versionRows(health) {
  const rows = [];
  for (const m of health.models ?? []) {
    for (const [role, v] of [['primary', m.live], ['shadow', m.shadow], ['canary', m.canary]]) if (v) rows.push({ route: m.name, role, ...v });
    if (m.failure) rows.push({ route: m.name, role: 'not live', version: m.failed_version, failure: m.failure });
    else if (!m.live) rows.push({ route: m.name, role: 'loading' });
  }
  return rows;
}
const VERSION_COLUMNS = [
  { title: 'Model', cell: r => eventsLink(is('model', r.model ?? r.route), r.route) },
  { title: 'Version', class: 'num', cell: r => r.model && r.version ? eventsLink(versionQuery(r.model, r.version), r.version) : r.version ?? '' },
  { title: 'Role', cell: r => badge(r.role, { primary: 'good', 'not live': 'bad', shadow: 'mark' }[r.role]) },
  { title: 'Why', class: 'grow', cell: r => r.failure ? h('span', { class: 'bad' }, r.failure) : [r.policy ?? 'being fetched', r.loaded_ms ? h('span', { class: 'soft' }, ', loaded ' + ago(r.loaded_ms)) : null] },
  { title: 'Back-end', class: 'grow', cell: r => r.backend ? [badge(r.backend), ' ', h('span', { class: 'soft' }, r.why)] : '' },
  { title: 'Memory', class: 'num', cell: r => r.memory_bytes ? bytes(r.memory_bytes) : '' },
];

const costTable = list => {
  const t = table([{ title: 'Version', cell: r => `${r.model} ${r.version}` }, { title: 'CPU of 1,000', class: 'num', cell: r => seconds(r.cpu) }, { title: 'Disk of 1,000', class: 'num', cell: r => bytes(r.bytes) }], { label: 'Cost of 1,000 predictions' });
  t.rows(list);
  return t.root;
};

function firstSteps(url) {
  return empty('No prediction in this time range', 'Send one, and it is here within a second:', {
    code: `curl -s ${url}/models/NAME/predict -H 'Content-Type: application/json' -d '{"feature": 1.0}'`,
    actions: [button('Show the last 7 days', () => state.set({ from: 'now-7d', to: null }))],
  });
}

export function mount(root) {
  let url = 'http://127.0.0.1:8000', body = null;
  links().then(l => { url = l.serving; }, () => {});
  const copy = copyAs(() => searchRequest('predictions', body ?? trafficBody(state.range())));
  const onBrush = (from, to) => state.setRange(from, to);

  const rate = tile('Predictions a second', { id: 'rate' }), total = tile('Predictions', { id: 'total' }), errors = tile('Not answered', { id: 'errors' });
  const p50 = tile('p50 latency', { id: 'p50' }), p95 = tile('p95 latency', { id: 'p95' }), p99 = tile('p99 latency', { id: 'p99' });
  const tiles = h('div', { class: 'tiles' }, [rate, total, errors, p50, p95, p99].map(t => t.root));

  const traffic = panel('Traffic', { note: 'predictions a second', actions: copy, id: 'traffic' });
  const trafficChart = timeChart({ type: 'bar', stacked: true, label: 'Predictions a second over time', onBrush });
  const latency = panel('Latency', { note: 'request received to event written', actions: copyAs(() => searchRequest('predictions', body ?? trafficBody(state.range()))), id: 'latency' });
  const latencyChart = timeChart({ label: 'Latency over time: median, 95th and 99th percentile', format: micros, onBrush });
  const versions = panel('Live versions', { note: 'and why', wide: true, id: 'versions', actions: copyAs(() => ({ target: 'serving', path: '/models' })) });
  const versionTable = table(VERSION_COLUMNS, { label: 'Live versions', empty: empty('No model yet', 'Register one with the MLflow client, and it is served at once.', { code: 'mlflow.sklearn.log_model(model, name="model", registered_model_name="iris")' }) });
  const byVersion = panel('By version', { note: 'share of the predictions', id: 'by-version' }), why = panel('What went wrong', { id: 'wrong' });
  versions.show(versionTable.root);
  const machineRequest = () => searchRequest('metrics', machineBody(state.range()));
  const cpu = panel('CPU', { note: 'cores in use', actions: copyAs(machineRequest), id: 'cpu' }), memory = panel('Memory', { note: 'resident', actions: copyAs(machineRequest), id: 'memory' });
  const nothingYet = () => empty('No metrics in this time range', 'They are written every 5 seconds while sibyl runs.');
  const cpuChart = timeChart({ label: 'CPU of serving and platform over time', height: 140, onBrush, empty: nothingYet() }), memoryChart = timeChart({ label: 'Memory of serving and platform over time', height: 140, format: bytes, onBrush, empty: nothingYet() });
  cpu.show(cpuChart.root);
  memory.show(memoryChart.root);
  const room = panel('Cost and headroom', { note: 'of the last minute', id: 'room' }), readers = panel('Readers of the journal', { note: 'searchable within a second', id: 'readers' });

  const bar = controls({ title: 'Overview', refresh: () => loop.now() });
  root.append(bar.root, tiles, h('div', { class: 'grid' }, traffic.root, latency.root), versions.root, h('div', { class: 'grid' }, byVersion.root, why.root), h('div', { class: 'grid' }, cpu.root, memory.root), h('div', { class: 'grid' }, room.root, readers.root));

  function showTraffic(a, range) {
    const width = interval(range), time = a.aggregations.time.buckets, all = a.hits.total.value, failed = a.aggregations.failed.doc_count;
    const done = time.filter(b => b.key + width <= Date.now()), last = done.slice(-Math.max(1, Math.round(10e3 / width)));
    rate.set(short(last.reduce((n, b) => n + b.doc_count, 0) / Math.max(1, last.length) / (width / 1000)), { note: range.live ? 'now' : 'at the end' });
    total.set(count(all), { note: 'in this range' });
    errors.set(all ? percent(failed / all) : '–', { bad: failed > 0, note: count(failed) + ' of them' });
    for (const [t, q] of [[p50, 50], [p95, 95], [p99, 99]]) t.set(micros(p(a.aggregations.latency, q)));
    if (!all) {
      traffic.show(firstSteps(url));
      latency.show(empty('No latency to show', 'It is measured with each prediction.'));
      byVersion.show(empty('No version has answered', 'Each version’s share is shown here.'));
      why.show(empty('Nothing went wrong', 'Requests that were not answered are listed here with their reason.'));
      return;
    }
    traffic.show(trafficChart.root);
    latency.show(latencyChart.root);
    const perSecond = (b, n) => [b.key, n / (width / 1000)], anyFailed = failed > 0;
    trafficChart.update([{ label: 'answered', color: 'c1', points: time.map(b => perSecond(b, b.doc_count - b.failed.doc_count)) }, ...anyFailed ? [{ label: 'not answered', color: 'bad', points: time.map(b => perSecond(b, b.failed.doc_count)) }] : []], range);
    const line = (q, color) => ({ label: 'p' + q, color, points: time.map(b => [b.key, b.doc_count ? p(b.latency, q) : null]) });
    latencyChart.update([line(99, 'c2'), line(95, 'c4'), line(50, 'c1')], range);
    byVersion.show(barList(a.aggregations.versions.buckets.flatMap(m => m.version.buckets.map(v => ({
      label: [eventsLink(versionQuery(m.key, v.key), `${m.key} ${v.key}`)], value: v.doc_count, text: `${percent(v.doc_count / all)} · p99 ${micros(p(v.latency, 99))}` + (v.failed.doc_count ? ` · ${count(v.failed.doc_count)} failed` : ''),
    }))), { max: all, label: 'Predictions by version' }));
    const reasons = a.aggregations.errors.why.buckets;
    why.show(reasons.length ? barList(reasons.map(b => ({ label: eventsLink(is('error', b.key), b.key), value: b.doc_count, text: count(b.doc_count), kind: 'bad' })), { max: failed, label: 'Reasons' }) : empty('Nothing went wrong', 'Requests that were not answered are listed here with their reason.'));
  }

  async function askTraffic(options) {
    const range = state.range();
    body = trafficBody(range);
    try {
      showTraffic(await search('predictions', body, options), range);
    } catch (e) {
      if (e.name === 'AbortError') throw e;
      if (e.status === 404) { showTraffic({ hits: { total: { value: 0 } }, aggregations: { time: { buckets: [] }, failed: { doc_count: 0 }, latency: {}, versions: { buckets: [] }, errors: { why: { buckets: [] } } } }, range); return; }
      for (const x of [traffic, latency, byVersion, why]) x.fail(e, () => loop.now());
      throw e;
    }
  }
  async function askMachine(options) {
    const range = state.range();
    try {
      const a = (await search('metrics', machineBody(range), options)).aggregations;
      cpuChart.update(processLines(a.cpu), range);
      memoryChart.update(processLines(a.memory), range);
    } catch (e) {
      if (e.name === 'AbortError') throw e;
      if (e.status === 404) { cpuChart.update([], range); memoryChart.update([], range); return; }
      cpu.fail(e, () => loop.now());
      memory.fail(e, () => loop.now());
    }
  }

  function showRoom(list) {
    const one = name => list.find(s => s.name === name)?.value ?? null, of = name => list.filter(s => s.name === name);
    const busy = one('sibyl_capacity_busy_ratio'), days = one('sibyl_journal_days_until_full'), costs = of('sibyl_cost_cpu_seconds_per_1000');
    const bytesOf = l => of('sibyl_cost_bytes_per_1000').find(s => s.labels.model === l.model && s.labels.version === l.version)?.value ?? null;
    room.show(facts([
      ['Busy', busy === null ? '–' : [h('b', {}, percent(busy)), ` of ${short(one('sibyl_cores'))} cores`]],
      ['Room for', one('sibyl_capacity_rows_per_second_limit') === null ? 'known once there is traffic' : [h('b', {}, short(one('sibyl_capacity_rows_per_second_limit'))), ` rows a second, ${short(one('sibyl_capacity_rows_per_second'))} now`]],
      ['Disk budget', days === null ? '–' : [h('b', {}, days > 3650 ? 'more than 10 years' : short(days) + ' days'), ' until full']],
    ]), costs.length ? costTable(costs.map(s => ({ ...s.labels, cpu: s.value, bytes: bytesOf(s.labels) }))) : h('p', { class: 'soft' }, 'What 1,000 predictions cost is shown per version once it has answered.'));
  }
  async function askRoom(options) {
    const [metrics, health] = await Promise.all([call('GET', '/metrics', undefined, { ...options, raw: true }), call('GET', '/health', undefined, { ...options, raw: true })]);
    showRoom(samples(metrics.text));
    readers.show(h('div', {}, (health.body?.indexes ?? []).map(i => h('div', { class: 'reader' }, h('b', {}, i.name), ' ', badge(i.rebuilding ? 'being rebuilt' : i.state, i.state === 'current' && !i.rebuilding ? 'good' : 'warn'), h('p', { class: 'soft num' },
      `${i.lag ? count(i.lag) + ' events behind' : 'nothing behind'} · ${count(i.documents)} documents · ${bytes(i.disk_bytes)} on disk, ${bytes(i.memory_bytes)} in memory` + (i.quarantined ? ` · ${i.quarantined} damaged segments set aside` : ''))))));
  }

  async function askVersions(options) {
    let health = null;
    try {
      health = (await serving('GET', '/health', undefined, { ...options, raw: true, timeout: 3000 })).body;
    } catch (e) {
      if (e.name === 'AbortError') throw e;
    }
    if (!health?.models) return versions.fail({ message: 'Serving does not answer', hint: 'It is restarted by itself; predictions that were answered are on disk.' }, () => loop.now());
    versionTable.rows(versionRows(health));
    versions.show(versionTable.root);
  }
  const loop = poll(async options => {
    const now = [askVersions(options), askRoom(options)];
    await Promise.all(bar.paused() && body ? now : [...now, askTraffic(options), askMachine(options)]);
  }, 2000);
  const off = state.on(() => { body = null; loop.now(); });
  return { stop() { off(); loop.stop(); bar.stop(); for (const c of [trafficChart, latencyChart, cpuChart, memoryChart]) c.destroy(); } };
}
