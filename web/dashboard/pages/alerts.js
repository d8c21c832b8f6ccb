// Alerts: rules with what they watch and their state, changes to them, silences, destinations, history.
import { timeChart } from '../lib/charts.js';
import { copyAs, searchRequest } from '../lib/copy.js';
import { clear, h } from '../lib/dom.js';
import { ago, count, moment, span } from '../lib/format.js';
import { poll } from '../lib/live.js';
import * as state from '../lib/state.js';
import { table } from '../lib/table.js';
import { badge, button, code, confirm, dialog, drawer, empty, failed, panel, tile, toast, toastError } from '../lib/ui.js';
import * as data from '../data/alerts.js';
import { sparkline } from '../parts/plots.js';

const EVERY_MS = 3000, COURSES_MS = 9000, COURSES_MAX = 40;
const KIND = { firing: 'bad', pending: 'warn', ok: 'good', disabled: 'plain' };
const stateBadge = r => [badge(r.state, KIND[r.state] ?? 'plain'), r.silenced ? [' ', badge('silenced', 'mark')] : null, r.error ? [' ', badge('error', 'bad')] : null];
const severityBadge = s => badge(s, { critical: 'bad', warning: 'warn' }[s] ?? 'plain');
const series = s => Object.entries(s ?? {}).map(([k, v]) => `${k} ${v}`).join(', ');
const limit = r => `${r.comparison} ${data.number(r.threshold, r.unit)}`;
const auditBody = name => ({ size: 100, sort: [{ '@timestamp': 'desc' }], query: { bool: { filter: [{ prefix: { 'kind.keyword': 'alert.' } }, ...name ? [{ term: { 'object.keyword': name } }] : []] } } });

// ---- dialogs ----

function field(label, control, hint) {
  return h('label', {}, h('span', {}, label, hint ? h('span', { class: 'soft' }, ' ' + hint) : null), control);
}
const NEW = { severity: 'warning', window: '5m', for: '1m', stat: 'value' };

// A rule as a form and as YAML; both ask the server what it says now before it is kept. rule: STATUS with yaml, or null.
async function edit(rule, done) {
  const kept = rule?.definition ?? {}, values = rule ? data.formOf(kept) : data.formOf(NEW), inputs = {};
  const text = (k, props = {}) => inputs[k] = h('input', { value: values[k], name: k, spellcheck: 'false', autocomplete: 'off', ...props });
  const choice = (k, options) => inputs[k] = h('select', { name: k }, options.map(([v, t]) => h('option', { value: v, selected: v === values[k] }, t ?? v)));
  const names = h('datalist', { id: 'metric-names' });
  data.metricNames().then(list => clear(names, list.map(n => h('option', { value: n }))), () => {});
  const watch = h('select', { name: 'watch', onchange: () => drawWatch() }, h('option', { value: 'metric' }, 'a metric'), h('option', { value: 'events', selected: !!kept.events }, 'recorded events'));
  const metric = [field('Metric', text('metric', { list: 'metric-names', placeholder: 'sibyl_prediction_duration_seconds' })), field('Only series with', text('where', { placeholder: 'role=primary, status=error|timeout' }))];
  const events = [field('Query', text('events', { placeholder: 'status:error AND model:iris' })), field('Field', text('field', { placeholder: 'latency.total_us' }), 'for sums and percentiles')];
  const side = h('select', { name: 'side' }, h('option', { value: 'above' }, 'above'), h('option', { value: 'below', selected: kept.below !== undefined }, 'below'));
  const threshold = h('input', { name: 'threshold', value: values.above || values.below, inputmode: 'decimal' });
  const form = h('div', { class: 'fields' }, field('Name', text('name', { maxlength: 100, readonly: !!rule, autofocus: !rule })), field('Watches', watch), metric, events, field('Statistic', text('stat', { list: 'stats' }), 'value, rate, p99, count …'), field('Over the last', text('window'), '10s – 24h'),
    field('Trouble is', side), field('Threshold', threshold), field('Over again at', text('clear'), 'hysteresis'), field('For at least', text('for')), field('At least observations', text('at_least')), field('Without data', choice('no_data', [['', 'no trouble'], ['keep', 'stay as it was'], ['fire', 'fire']])),
    field('Severity', choice('severity', [['info'], ['warning'], ['critical']])), h('div', { class: 'whole' }, field('What is said', text('summary', { placeholder: 'p99 is {value}' }))));
  const others = data.otherKeys(kept), more = others.length ? h('p', { class: 'soft' }, `Also set, and kept: ${others.join(', ')}. The YAML shows them.`) : null;
  const area = h('textarea', { class: 'mono', rows: 14, name: 'yaml', 'aria-label': 'The rule as YAML', spellcheck: 'false' });
  area.value = rule?.yaml ?? '- name: slow answers\n  metric: sibyl_prediction_duration_seconds\n  where: {role: primary}\n  stat: p99\n  window: 5m\n  above: 0.25\n  clear: 0.2\n  for: 1m\n';
  const out = h('div', { id: 'check', role: 'status' }), body = h('div', {});
  let yaml = false;
  const tabs = ['Form', 'YAML'].map((name, i) => button(name, () => { yaml = i === 1; draw(); }, { role: 'tab' }));
  function drawWatch() {
    for (const x of metric) x.hidden = watch.value !== 'metric';
    for (const x of events) x.hidden = watch.value !== 'events';
  }
  function draw() {
    tabs.forEach((t, i) => t.setAttribute('aria-pressed', String(yaml === (i === 1))));
    clear(body, yaml ? area : [form, more]);
    clear(out);
  }
  function definition() {
    if (yaml) return { yaml: area.value };
    const v = Object.fromEntries(Object.entries(inputs).map(([k, i]) => [k, i.value]));
    for (const k of watch.value === 'metric' ? ['events', 'field'] : ['metric', 'where']) v[k] = '';
    return data.definitionOf({ ...v, [side.value]: threshold.value }, kept);
  }
  const wrong = (message, key) => {
    clear(out, h('p', { class: 'bad wrap' }, message));
    const at = key && (inputs[key] ?? (['above', 'below'].includes(key) ? threshold : null));
    at?.focus();
  };
  async function tryOut() {
    try {
      const c = await data.check(definition());
      if (!c.ok) return wrong(c.error, c.key), false;
      clear(out, h('p', {}, badge(c.no_data ? 'no number yet' : c.would_fire ? 'beyond the threshold now' : 'no trouble now', c.would_fire ? 'bad' : 'good'), c.value === null ? null : ` It is ${c.value}${series(c.series) ? ' (' + series(c.series) + ')' : ''}.`));
      return true;
    } catch (e) { wrong(e.message); return false; }
  }
  async function save() {
    let d;
    try {
      d = definition();
      const c = await data.check(d);
      if (!c.ok) return wrong(c.error, c.key);
      const kept = await (rule ? data.replace(rule.name, d) : data.create(d));
      toast(`Rule ${kept.name} is in force`);
      box.close();
      done();
    } catch (e) { wrong(e.message); }
  }
  draw();
  drawWatch();
  const box = dialog(rule ? `Edit ${rule.name}` : 'New rule', names, h('datalist', { id: 'stats' }, ['value', 'rate', 'increase', 'count', 'avg', 'min', 'max', 'sum', 'p50', 'p95', 'p99'].map(v => h('option', { value: v }))), h('div', { class: 'segments', role: 'tablist' }, tabs), body, out,
    h('p', { class: 'buttons' }, h('span', { class: 'note soft' }, rule && rule.origin !== 'stored' ? `Yours will stand before the one of the ${rule.origin === 'default' ? 'program' : 'file'}.` : ''), button('What does it say now?', tryOut), button('Save rule', save, { class: 'primary' })));
  box.root.classList.add('wide');
}

function silence(rule, done) {
  const time = h('select', { name: 'for' }, [['30m', '30 minutes'], ['2h', '2 hours'], ['8h', '8 hours'], ['24h', '1 day'], ['168h', '1 week']].map(([v, t]) => h('option', { value: v, selected: v === '2h' }, t)));
  const why = h('input', { name: 'why', required: true, maxlength: 500, autofocus: true, placeholder: 'deploying version 3' }), by = h('input', { name: 'by', maxlength: 100, placeholder: 'your name' });
  const d = dialog(`Silence ${rule.name}`, h('form', {
    onsubmit: async e => {
      e.preventDefault();
      try { await data.silence({ rule: rule.name, for: time.value, why: why.value, ...(by.value && { by: by.value }) }); d.close(); toast(`${rule.name} is silent`); done(); } catch (x) { toastError(x); }
    },
  }, h('p', {}, 'It is still watched and shown; nothing is delivered until the silence ends.'), h('div', { class: 'fields' }, field('For', time), field('Why', why), field('By', by)), h('p', { class: 'buttons' }, button('Silence', null, { type: 'submit', class: 'primary' }))));
}

// ---- the page ----

export function mount(root) {
  let overview = null, courses = new Map(), coursesAt = 0, open = null, names = '';
  const copyAlerts = () => copyAs(() => searchRequest('audit', auditBody()));
  const t = { firing: tile('Firing', { id: 'firing' }), pending: tile('Pending', { id: 'pending' }), silenced: tile('Silenced'), rules: tile('Rules'), errors: tile('With errors'), evaluated: tile('Looked at') };
  const ask = copyAs(() => ({ target: 'dashboard', path: '/api/alerts' }));
  const rules = panel('Rules', { id: 'rules', wide: true, actions: ask }), silences = panel('Silences', { id: 'silences' }), destinations = panel('Destinations', { id: 'destinations', note: 'named in the configuration only' }), history = panel('History', { id: 'history', wide: true, actions: copyAlerts() });
  const now = () => loop.now();
  async function act(what, done) {
    try { await what(); toast(done); } catch (e) { toastError(e); }
    now();
  }
  const ruleTable = table([
    { title: 'State', class: 'keep', cell: stateBadge },
    { title: 'Rule', class: 'says', cell: r => h('button', { type: 'button', class: 'link', onclick: () => state.set({ rule: r.name }) }, r.name) },
    { title: 'Severity', cell: r => severityBadge(r.severity) },
    { title: 'Value', class: 'num', cell: r => r.no_data ? h('span', { class: 'soft' }, 'no data') : h('b', { class: r.state === 'firing' ? 'bad' : '' }, data.number(r.value, r.unit)) },
    { title: 'Trouble is', class: 'num', cell: limit },
    { title: 'Last 10 minutes', cell: r => sparkline(courses.get(r.name) ?? [], { label: `Values of the last 10 minutes of ${r.name}`, line: r.threshold, kind: r.state === 'firing' ? 'bad' : '', width: 130 }) },
    { title: 'Since', class: 'num', cell: r => r.since_ms ? ago(r.since_ms) : '' },
    { title: 'Of', class: 'grow', cell: r => r.error ? h('span', { class: 'bad' }, r.error) : r.summary ?? series(r.series) },
  ], { label: 'Rules', key: r => r.name, open: r => state.set({ rule: r.name }), empty: empty('No rule', 'The shipped ones were all removed; make one.') });
  const historyTable = table([
    { title: 'Time', class: 'time', cell: e => moment(Date.parse(e['@timestamp'])) },
    { title: 'What', class: 'keep', cell: e => badge(e.kind.replace('alert.', ''), { 'alert.firing': 'bad', 'alert.resolved': 'good' }[e.kind] ?? 'mark') },
    { title: 'Rule', class: 'says', cell: e => e.object ?? '' }, { title: 'Who', cell: e => e.actor ?? '' },
    { title: '', class: 'grow', cell: e => e.message ?? (e.from || e.to ? `${e.from ?? ''} → ${e.to ?? ''}` : '') },
  ], { label: 'History', key: e => e.event_id, empty: empty('Nothing has happened yet', 'What fires, ends, is silenced or changed is listed here, and kept in the index audit.') });
  root.append(h('div', { class: 'controls' }, h('h1', {}, 'Alerts'), button('New rule', () => edit(null, now), { class: 'primary' })), h('div', { class: 'tiles' }, Object.values(t).map(x => x.root)), rules.root, h('div', { class: 'grid' }, silences.root, destinations.root), history.root);

  function show(o) {
    const c = o.counts;
    t.firing.set(count(c.firing), { bad: c.firing > 0, good: !c.firing });
    t.pending.set(count(c.pending));
    t.silenced.set(count(c.silenced));
    t.rules.set(count(c.rules), { note: c.disabled ? `${count(c.disabled)} disabled` : '' });
    t.errors.set(count(c.errors), { bad: c.errors > 0, note: o.metrics_error ?? '' });
    t.evaluated.set(o.evaluated_ms ? ago(o.evaluated_ms) : '–', { note: `every ${span(o.every_ms)}` });
    rules.note(o.file ? o.file.error ? h('span', { class: 'bad' }, o.file.error) : `${o.file.rules} of them in ${o.file.path}` : '', o.store?.error ? h('span', { class: 'bad' }, o.store.error) : null);
    ruleTable.rows(o.rules);
    rules.show(ruleTable.root);
    silences.show(o.silences.length ? h('ul', { class: 'entries' }, o.silences.map(s => h('li', {}, h('div', { class: 'wrap' }, h('b', {}, s.rule ?? series(s.labels)), h('span', { class: 'soft' }, ` until ${moment(s.until_ms)}${s.by ? ', by ' + s.by : ''}`), h('br', {}), s.why), button('End', async () => { if (await confirm('End this silence?', `${s.rule ?? series(s.labels)} is delivered again when it fires.`, { action: 'End silence' })) await act(() => data.unsilence(s.id), 'The silence has ended'); }, { 'aria-label': `End the silence of ${s.rule ?? series(s.labels)}` }))))
      : empty('Nothing is silenced', 'Open a rule to silence it for a while: with a reason, for who looks next.'));
    if (!destinations.body.contains(document.activeElement)) destinations.show(o.destinations.length ? h('ul', { class: 'entries' }, o.destinations.map(d => h('li', {}, h('div', { class: 'wrap' }, h('b', {}, d.name), ' ', badge(d.state, { ok: 'good', failing: 'bad' }[d.state] ?? 'plain'), h('span', { class: 'soft' }, ` ${d.url}; ${count(d.sent)} sent, ${count(d.failed)} failed${d.waiting ? `, ${count(d.waiting)} wait` : ''}`), d.last_error ? [h('br', {}), h('span', { class: 'bad' }, d.last_error)] : null), button('Send a test', async e => {
      e.target.disabled = true;
      try { const a = await data.test(d.name); a.ok ? toast(`${d.name} took it: status ${a.status} in ${a.ms} ms`) : toast(`${d.name} did not take it: ${a.error ?? 'status ' + a.status}`, 'bad'); } catch (x) { toastError(x); }
      e.target.disabled = false;
      e.target.blur();
      now();
    }, { 'aria-label': `Send a test alert to ${d.name}` }))))
      : empty('Alerts are shown and recorded, but sent nowhere', 'Name a webhook or an Alertmanager when sibyl is started:', { code: 'sibyl up --alerts-webhook-url https://hooks.example.com/...\nsibyl up --alerts-alertmanager-url http://alertmanager:9093' }));
  }

  // ---- one rule, in the drawer ----

  async function showRule(name, options) {
    const [r, entries] = await Promise.all([data.rule(name, options), data.history(name, options).catch(e => { if (e.name === 'AbortError') throw e; return []; })]);
    if (state.get('rule') !== name) return;
    if (open?.name !== name) {
      const chart = timeChart({ label: `Values of ${name}`, format: v => data.number(v, r.unit), height: 160 });
      const box = drawer(name, { onclose: () => { chart.destroy(); open = null; state.set({ rule: null }); }, sub: { default: 'shipped with sibyl', file: 'of the file', stored: 'made here' }[r.origin] ?? r.origin });
      open = { name, chart, box, facts: h('div', {}), past: h('div', {}), yaml: h('div', {}) };
      const b = (text, fn, props) => button(text, fn, props);
      open.buttons = h('p', { class: 'buttons start' });
      open.make = x => clear(open.buttons, b('Edit', () => edit(x, now), { class: 'primary' }), b('Silence', () => silence(x, now)),
        b(x.enabled ? 'Disable' : 'Enable', async () => { if (await confirm(`${x.enabled ? 'Disable' : 'Enable'} ${name}?`, x.enabled ? 'It is no longer looked at; what fires now ends.' : 'It is looked at again.', { action: x.enabled ? 'Disable' : 'Enable' })) await act(() => data.enable(name, !x.enabled), x.enabled ? 'It is disabled' : 'It is enabled'); }),
        x.origin === 'stored' ? b('Delete', async () => { if (await confirm(`Delete ${name}?`, x.replaces ? `The rule of the same name ${x.replaces === 'default' ? 'that is shipped' : 'in the file'} is in force again.` : 'It is gone for good; its history stays.', { action: 'Delete rule', danger: true })) { await act(() => data.remove(name), 'The rule is deleted'); if (!x.replaces) open?.box.close(); } }, { class: 'danger' }) : null);
      box.show(open.buttons, open.facts, h('h3', {}, 'The last 10 minutes'), chart.root, h('h3', {}, 'As YAML'), open.yaml, h('h3', {}, 'History'), open.past);
    }
    if (!open.buttons.contains(document.activeElement) || !open.buttons.childNodes.length) open.make(r);
    clear(open.facts, h('dl', { class: 'facts' }, [['state', h('span', {}, stateBadge(r), r.since_ms ? h('span', { class: 'soft' }, ` since ${moment(r.since_ms)}`) : null)], ['value', `${data.number(r.value, r.unit)}${series(r.series) ? ` (${series(r.series)})` : ''}`], ['trouble is', `${limit(r)}${r.clear !== null && r.clear !== r.threshold ? `, over again at ${data.number(r.clear, r.unit)}` : ''}`], ['severity', severityBadge(r.severity)], ['says', r.summary ?? r.definition?.summary], ['fired last', r.fired_ms ? moment(r.fired_ms) : null], ['error', r.error ? h('span', { class: 'bad' }, r.error) : null]]
      .filter(([, v]) => v !== null && v !== undefined && v !== '').map(([k, v]) => [h('dt', {}, k), h('dd', {}, typeof v === 'string' ? h('span', {}, v) : v)])));
    const recent = r.recent ?? [], to = overview?.now_ms ?? Date.now();
    open.chart.update([{ label: 'value', color: r.state === 'firing' ? 'bad' : 'c1', points: recent, fill: true }, { label: 'threshold', color: 'soft', dash: true, points: [[to - 600e3, r.threshold], [to, r.threshold]] }], { from: to - 600e3, to });
    if (open.text !== r.yaml) { open.text = r.yaml; clear(open.yaml, code(r.yaml)); }
    clear(open.past, entries.length ? h('ul', { class: 'entries' }, entries.slice(0, 20).map(e => h('li', {}, h('div', { class: 'wrap' }, badge(e.kind.replace('alert.', ''), { 'alert.firing': 'bad', 'alert.resolved': 'good' }[e.kind] ?? 'mark'), h('span', { class: 'soft' }, ` ${moment(Date.parse(e['@timestamp']))} ${e.actor ?? ''}`), e.message ? [h('br', {}), e.message] : null)))) : h('p', { class: 'soft' }, 'It has not fired yet.'));
  }

  const loop = poll(async options => {
    try {
      overview = await data.overview(options);
    } catch (e) {
      if (e.name !== 'AbortError') rules.show(failed(e, now));
      throw e;
    }
    const listed = overview.rules.map(r => r.name).join('\n');
    if (Date.now() - coursesAt > COURSES_MS || listed !== names) {
      const list = await Promise.all(overview.rules.slice(0, COURSES_MAX).map(r => data.rule(r.name, options).then(x => [r.name, x.recent ?? []], e => { if (e.name === 'AbortError') throw e; return [r.name, []]; })));
      [courses, coursesAt, names] = [new Map(list), Date.now(), listed];
    }
    show(overview);
    const [entries, name] = [await data.history('', options).catch(e => { if (e.name === 'AbortError') throw e; history.fail(e); return null; }), state.get('rule')];
    if (entries) { historyTable.rows(entries); history.show(historyTable.root); }
    if (name) await showRule(name, options).catch(e => { if (e.name === 'AbortError') throw e; if (e.status === 404) { toast(`There is no rule ${name}`, 'bad'); state.set({ rule: null }, { replace: true }); } else throw e; });
    else if (open) open.box.close();
  }, EVERY_MS);
  const off = state.on(now);
  return {
    keys: { j: () => ruleTable.move(1), k: () => ruleTable.move(-1), Enter: () => ruleTable.open() },
    stop() { off(); loop.stop(); open?.chart.destroy(); },
  };
}
