// Models: experiments and runs, registered models and their versions, what is live and why, and trying it out.
import { serving } from '../lib/api.js';
import { copyAs, searchRequest } from '../lib/copy.js';
import { clear, h } from '../lib/dom.js';
import { ago, bytes, moment, short, span } from '../lib/format.js';
import { poll } from '../lib/live.js';
import { is } from '../lib/query.js';
import * as state from '../lib/state.js';
import { table } from '../lib/table.js';
import { badge, button, code, confirm, dialog, empty, failed, loading, panel, toast, toastError } from '../lib/ui.js';
import * as data from '../data/models.js';
import { legend, lines } from '../parts/plots.js';

const EVERY_MS = 5000, PLOTS_MAX = 24, COMPARED_MAX = 6;
const to = (params, ...text) => h('a', { href: state.href('models', params), class: 'wrap' }, ...text);
const ms = t => t ? Number(t) : null;
const statusOf = s => badge(s ?? 'unknown', { FINISHED: 'good', READY: 'good', FAILED: 'bad', FAILED_REGISTRATION: 'bad', KILLED: 'bad', RUNNING: 'mark' }[s] ?? 'plain');
const runName = r => r.info.run_name || r.info.run_id;
const facts = rows => h('dl', { class: 'facts' }, rows.filter(r => r[1] !== null && r[1] !== undefined && r[1] !== '').map(([k, v]) => [h('dt', {}, k), h('dd', {}, h('span', {}, v))]));
const registryCopy = (method, path, body) => copyAs(() => ({ target: 'registry', method, path: '/api/2.0/mlflow/' + path, body }));
const crumbs = (...parts) => h('p', { class: 'crumbs' }, parts.map((p, i) => [i ? h('span', { class: 'soft' }, ' / ') : null, p]));
const pairs = (list, label) => { const t = table([{ title: 'Name', key: 'key', class: 'mono' }, { title: 'Value', class: 'grow', cell: r => r.value ?? '' }], { label }); t.rows(list); return t.root; };

// A list that goes on where there is more: fetch(token) → {rows, token}.
function paged(box, t, more) {
  return async function show(fetch) {
    let rows = [];
    async function next(token) {
      const answer = await fetch(token);
      rows = rows.concat(answer.rows);
      t.rows(rows);
      clear(more, answer.token ? button('More', async e => { e.target.disabled = true; try { await next(answer.token); } catch (x) { toastError(x); e.target.disabled = false; } }) : null);
    }
    await next(undefined);
    box.show(t.root, more);
  };
}

// ---- all models and experiments ----

function home(root) {
  let live = new Map();
  const models = panel('Registered models', { id: 'models', wide: true, actions: registryCopy('GET', 'registered-models/search?max_results=100') });
  const experiments = panel('Experiments', { id: 'experiments', wide: true, actions: registryCopy('POST', 'experiments/search', { max_results: 100 }) });
  const modelTable = table([
    { title: 'Model', cell: m => to({ model: m.name }, m.name) },
    { title: 'Live', cell: m => { const r = live.get(m.name); return r?.live ? badge('version ' + r.live.version, 'good') : r?.failure ? badge('failed', 'bad') : badge('not live', 'warn'); } },
    { title: 'Shadow', cell: m => { const s = live.get(m.name)?.shadow; return s ? badge('version ' + s.version, 'mark') : ''; } },
    { title: 'Back-end and why', class: 'grow', cell: m => { const r = live.get(m.name); return r?.failure ? h('span', { class: 'bad' }, r.failure) : r?.live ? [r.live.backend, h('span', { class: 'soft' }, ' ' + (r.live.why ?? ''))] : r?.pending ?? ''; } },
    { title: 'Aliases', cell: m => (m.aliases ?? []).map(a => `${a.alias} → ${a.version}`).join(', ') },
    { title: 'Newest', class: 'num', cell: m => String(Math.max(0, ...(m.latest_versions ?? []).map(v => Number(v.version))) || '–') },
    { title: 'Changed', class: 'num', cell: m => ago(ms(m.last_updated_timestamp)) },
  ], { label: 'Registered models', key: m => m.name, open: m => state.set({ model: m.name }), empty: empty('No registered model yet', 'Log one, and it is served at once:', { code: 'mlflow.set_tracking_uri("http://127.0.0.1:5000")\nmlflow.sklearn.log_model(model, name="model", registered_model_name="iris")' }) });
  const experimentTable = table([
    { title: 'Experiment', class: 'grow', cell: e => to({ experiment: e.experiment_id }, e.name) },
    { title: 'Id', key: 'experiment_id', class: 'mono' }, { title: 'Changed', class: 'num', cell: e => ago(ms(e.last_update_time)) },
  ], { label: 'Experiments', key: e => e.experiment_id, open: e => state.set({ experiment: e.experiment_id }), empty: empty('No experiment yet', 'A run of the MLflow client makes one.') });
  root.append(h('h1', {}, 'Models'), models.root, experiments.root);
  const showModels = paged(models, modelTable, h('p', {})), showExperiments = paged(experiments, experimentTable, h('p', {}));
  return {
    async refresh(options) {
      live = new Map((await data.routes(options)).map(r => [r.name, r]));
      const paired = [[models, () => showModels(t => data.models(t, options))], [experiments, () => showExperiments(t => data.experiments(t, options))]];
      await Promise.all(paired.map(([p, show]) => show().catch(e => { if (e.name !== 'AbortError') p.fail(e); throw e; })));
    },
    keys: { j: () => modelTable.move(1), k: () => modelTable.move(-1), Enter: () => modelTable.open() },
  };
}

// ---- an experiment's runs ----

const ORDERS = [['', 'newest first'], ['attributes.start_time ASC', 'oldest first'], ['attributes.run_name ASC', 'by name']];
function experimentPage(root, id) {
  const title = h('h1', {}), chosen = new Set(), compare = button('Compare runs', () => state.set({ experiment: null, runs: [...chosen].join(',') }), { disabled: true });
  const wrong = h('p', { class: 'bad', role: 'alert', hidden: true });
  const filter = h('input', { type: 'search', id: 'query', value: state.get('filter'), 'aria-label': 'Filter of runs', placeholder: "metrics.loss < 0.1 AND params.depth = '3'", spellcheck: 'false' });
  const order = h('select', { 'aria-label': 'Order', onchange: () => state.set({ order: order.value || null }) });
  const form = h('form', { class: 'controls', onsubmit: e => { e.preventDefault(); state.set({ filter: filter.value.trim() || null }); } }, h('div', { class: 'query' }, filter, wrong), button('Search', null, { type: 'submit' }), order);
  filter.addEventListener('search', () => { if (!filter.value) state.set({ filter: null }); });
  const runs = panel('Runs', { id: 'runs', wide: true, note: "MLflow's filters: metrics.x, params.x, tags.x, attributes.status", actions: [compare, registryCopy('POST', 'runs/search', { experiment_ids: [id], filter: state.get('filter') })] });
  const draw = () => { compare.disabled = chosen.size < 2; compare.textContent = chosen.size > 1 ? `Compare ${chosen.size} runs` : 'Compare runs'; };
  const fixed = [
    { title: '', cell: r => h('input', { type: 'checkbox', 'aria-label': 'Compare ' + runName(r), checked: chosen.has(r.info.run_id), onchange: e => { e.target.checked ? chosen.size < COMPARED_MAX ? chosen.add(r.info.run_id) : (e.target.checked = false, toast(`At most ${COMPARED_MAX} runs beside each other`, 'bad')) : chosen.delete(r.info.run_id); draw(); } }) },
    { title: 'Run', cell: r => to({ run: r.info.run_id }, runName(r)) }, { title: 'Status', cell: r => statusOf(r.info.status) },
    { title: 'Started', class: 'num', cell: r => ago(ms(r.info.start_time)) }, { title: 'Took', class: 'num', cell: r => r.info.end_time ? span(r.info.end_time - r.info.start_time) : '' }, { title: 'User', cell: r => r.info.user_id ?? '' },
  ];
  const t = table(fixed, { label: 'Runs', key: r => r.info.run_id, open: r => state.set({ experiment: null, run: r.info.run_id }), empty: 'No run.' });
  const rows = t.rows;
  let shown = 0;
  // Columns of the metrics and parameters that these runs have.
  t.rows = list => {
    shown = list.length;
    const names = part => [...new Set(list.flatMap(r => (r.data[part] ?? []).map(x => x.key)))].slice(0, 6);
    const cell = (part, k) => r => { const v = r.data[part]?.find(x => x.key === k)?.value; return part === 'metrics' ? typeof v === 'number' ? short(v) : v ?? '' : v ?? ''; };
    t.columns([...fixed, ...names('metrics').map(k => ({ title: k, class: 'num', cell: cell('metrics', k) })), ...names('params').map(k => ({ title: k, cell: cell('params', k) }))]);
    rows(list);
  };
  const show = paged(runs, t, h('p', {}));
  root.append(crumbs(to({}, 'Models'), 'Experiment ' + id), title, form, runs.root);
  return {
    async refresh(options) {
      const e = await data.experiment(id, options);
      clear(title, e.name);
      const wanted = state.get('order');
      clear(order, ORDERS.map(([v, text]) => h('option', { value: v, selected: v === wanted }, text)));
      try {
        await show(token => data.runs(id, state.get('filter'), wanted || 'attributes.start_time DESC', token, options));
        wrong.hidden = true;
        if (!shown && !state.get('filter')) runs.show(empty('No run in this experiment yet', 'Log one with the MLflow client:', { code: 'with mlflow.start_run():\n    mlflow.log_param("depth", 3)\n    mlflow.log_metric("loss", 0.1)' }));
      } catch (x) {
        if (x.name === 'AbortError') throw x;
        wrong.hidden = x.status !== 400;
        clear(wrong, x.message);
        if (x.status !== 400) runs.fail(x);
      }
    },
    once: true,
    keys: { j: () => t.move(1), k: () => t.move(-1), Enter: () => t.open() },
  };
}

// ---- one run, or some beside each other ----

async function plots(list, keys, options) {
  const shown = keys.slice(0, PLOTS_MAX);
  return Promise.all(shown.map(async key => {
    const points = await data.history(list.map(r => r.info.run_id), key, options);
    const series = list.map((r, i) => ({ label: runName(r), color: 'c' + (i % 6 + 1), points: points.filter(p => p.run_id === r.info.run_id && typeof p.value === 'number').map(p => [p.step ?? 0, p.value]) })).filter(s => s.points.length);
    const p = panel(key, { note: list.length === 1 ? 'last ' + short(series[0]?.points.at(-1)[1]) : '', actions: registryCopy('GET', 'metrics/get-history?' + new URLSearchParams({ run_id: list[0].info.run_id, metric_key: key })) });
    p.show(series.some(s => s.points.length > 1) ? lines(series, { label: `${key} by step` }) : h('p', { class: 'soft' }, series.map(s => `${list.length > 1 ? s.label + ' ' : ''}${short(s.points[0][1])}`).join(', ') || 'no number'), ...list.length > 1 ? [legend(series)] : []);
    return p.root;
  }));
}
const metricKeys = list => [...new Set(list.flatMap(r => (r.data.metrics ?? []).map(m => m.key)))].sort();

function runPage(root, id) {
  const box = h('div', {}, loading());
  root.append(box);
  return {
    once: true,
    async refresh(options) {
      const path = state.get('path'), r = await data.run(id, options);
      const [charts, files, versions] = await Promise.all([plots([r], metricKeys([r]), options), data.files(id, path, options).catch(() => []), data.versionsOfRun(id, options).catch(() => [])]);
      const tags = (r.data.tags ?? []).filter(t => !t.key.startsWith('mlflow.'));
      const about = panel('Run', { id: 'run', actions: registryCopy('GET', 'runs/get?run_id=' + id) }), params = panel('Parameters', { id: 'params' }), filesPanel = panel('Files', { id: 'files', note: path }), tagsPanel = panel('Tags', { id: 'tags' });
      about.show(facts([['status', statusOf(r.info.status)], ['started', moment(ms(r.info.start_time))], ['took', r.info.end_time ? span(r.info.end_time - r.info.start_time) : null], ['user', r.info.user_id], ['experiment', to({ experiment: r.info.experiment_id }, r.info.experiment_id)], ['id', h('span', { class: 'mono' }, id)],
        ['versions', versions.length ? versions.map((v, i) => [i ? ', ' : '', to({ model: v.name }, `${v.name} ${v.version}`)]) : null]]));
      params.show(r.data.params?.length ? pairs(r.data.params, 'Parameters') : empty('No parameter', 'mlflow.log_param("depth", 3)'));
      const up = path ? h('p', {}, to({ run: id, path: path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '' }, '← up')) : null;
      filesPanel.show(h('div', {}, up, files.length ? h('ul', { class: 'files' }, files.map(f => h('li', {}, f.is_dir ? to({ run: id, path: f.path }, f.path.split('/').pop() + '/') : [h('a', { href: data.fileUrl(id, f.path), download: f.path.split('/').pop(), class: 'wrap' }, f.path.split('/').pop()), h('span', { class: 'soft num' }, ' ' + bytes(Number(f.file_size ?? 0)))]))) : h('p', { class: 'soft' }, 'There are no files.')));
      if (tags.length) tagsPanel.show(pairs(tags, 'Tags'));
      clear(box, crumbs(to({}, 'Models'), to({ experiment: r.info.experiment_id }, 'Experiment ' + r.info.experiment_id), 'Run'), h('h1', {}, runName(r)), h('div', { class: 'grid' }, about.root, params.root), charts.length ? h('div', { class: 'grid thirds' }, charts) : null, h('div', { class: 'grid' }, filesPanel.root, tags.length ? tagsPanel.root : null));
    },
  };
}

function runsPage(root, ids) {
  const box = h('div', {}, loading());
  root.append(box);
  return {
    once: true,
    async refresh(options) {
      const list = await Promise.all(ids.slice(0, COMPARED_MAX).map(id => data.run(id, options)));
      const charts = await plots(list, metricKeys(list), options), p = panel('Parameters', { id: 'params', wide: true, note: 'rows that differ are marked' });
      const keys = [...new Set(list.flatMap(r => (r.data.params ?? []).map(x => x.key)))].sort(), get = (r, k) => r.data.params?.find(x => x.key === k)?.value ?? '–';
      p.show(h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, h('tr', {}, h('th', {}, ''), list.map((r, i) => h('th', { scope: 'col' }, h('span', { class: `swatch fill-c${i % 6 + 1}` }), ' ', to({ run: r.info.run_id }, runName(r)))))),
        h('tbody', {}, keys.map(k => { const vs = list.map(r => get(r, k)), differs = new Set(vs).size > 1; return h('tr', { class: differs ? 'differs' : '' }, h('th', { scope: 'row' }, k), vs.map(v => h('td', {}, v))); })))));
      clear(box, crumbs(to({}, 'Models'), to({ experiment: list[0].info.experiment_id }, 'Experiment ' + list[0].info.experiment_id), 'Runs beside each other'), h('h1', {}, `${list.length} runs`), p.root, charts.length ? h('div', { class: 'grid' }, charts) : empty('No metric to compare', 'mlflow.log_metric("loss", 0.1, step=1)'));
    },
  };
}

// ---- a registered model ----

const fieldTable = (list, label) => { const t = table([{ title: label, cell: f => h('span', { class: 'mono wrap' }, f.name ?? '(unnamed)') }, { title: 'Type', key: 'type' }, { title: '', cell: f => f.required === false ? 'optional' : '' }], { label, empty: 'None said.' }); t.rows(list); return t.root; };

// A field for each input; the values are JSON, text is taken as text where the input is one.
function tryIt(name, live, example) {
  const out = h('div', { id: 'answer', 'aria-live': 'polite' }), inputs = (live.inputs ?? []).map((f, i) => ({ ...f, name: f.name ?? String(i) }));
  const fields = inputs.map(f => {
    const first = example[f.name], text = typeof first === 'string' ? first : first === undefined ? '' : JSON.stringify(first);
    return { f, text: f.type === 'string' || typeof first === 'string', input: h('input', { value: text, 'aria-label': f.name, name: f.name, spellcheck: 'false' }) };
  });
  function row() {
    const entries = [];
    for (const { f, text, input } of fields) {
      if (input.value === '' && f.required === false) continue;
      let v = input.value;
      if (!text) try { v = JSON.parse(input.value); } catch { /* the server names the field and says what it wants */ }
      entries.push([f.name, v]);
    }
    return Object.fromEntries(entries);
  }
  async function send(e) {
    e.preventDefault();
    const began = performance.now();
    clear(out, loading('Asking…'));
    try {
      const a = await serving('POST', `/models/${encodeURIComponent(name)}/predict`, row(), { raw: true, headers: { 'X-Tag-via': 'dashboard' } });
      const id = a.body?.request_id ?? a.headers.get('x-request-id');
      clear(out, h('p', {}, badge(String(a.status), a.status === 200 ? 'good' : 'bad'), h('span', { class: 'soft num' }, ` ${short(performance.now() - began)} ms, with this page’s way `), id ? h('a', { href: state.hrefKeep('events', { q: is('request_id', id) }) }, 'its event') : null), code(a.body ? JSON.stringify(a.body, null, 2) : a.text));
    } catch (x) { clear(out, failed(x)); }
  }
  return h('form', { id: 'try', onsubmit: send }, h('div', { class: 'fields' }, fields.map(x => h('label', {}, h('span', { class: 'wrap' }, x.f.name, h('span', { class: 'soft' }, ' ' + x.f.type)), x.input))), h('p', { class: 'buttons' }, h('span', { class: 'soft note' }, 'Recorded like any other, with tag via:dashboard.'), button('Predict', null, { type: 'submit', class: 'primary' })), out);
}

function modelPage(root, name) {
  let now, tried = '', registered = {};
  const live = panel('Live now', { id: 'live', actions: copyAs(() => ({ target: 'serving', path: '/models' })) }), sign = panel('Signature', { id: 'signature' }), trial = panel('Try it', { id: 'try-it', actions: copyAs(() => ({ target: 'serving', method: 'POST', path: `/models/${encodeURIComponent(name)}/predict`, body: lastExample })) });
  const versions = panel('Versions', { id: 'versions', wide: true, note: 'alias production is served, alias shadow runs beside it; without either, the newest is served', actions: registryCopy('GET', 'registered-models/get?' + new URLSearchParams({ name })) });
  const moves = panel('What was changed', { id: 'moves', wide: true, actions: copyAs(() => searchRequest('audit', data.movesBody(name))) });
  let lastExample = {};
  const aliasesOf = v => (registered.aliases ?? []).filter(a => a.version === v.version).map(a => a.alias);

  async function act(what, done) {
    try { await what(); toast(done); } catch (e) { toastError(e); }
    loop.now();
  }
  async function move(alias, v) {
    const c = data.consequence(name, alias, v.version, now);
    let changes = [];
    try {
      const s = await data.signature(name, v.version), old = now?.live;
      if (s && old && old.version !== v.version) changes = [...data.differences(old.inputs ?? [], s.inputs).map(x => 'input ' + x), ...data.differences(old.outputs ?? [], s.outputs).map(x => 'output ' + x)];
      changes = s ? changes.length ? changes : old && old.version !== v.version ? ['the same inputs and outputs as what is live now'] : [] : ['this version says nothing of its inputs and outputs'];
    } catch { changes = ['its MLmodel file could not be read: it may not load']; }
    const detail = [facts([['model', `${name} ${v.version}`], ['alias', `${alias}${held(alias) ? `, now on version ${held(alias)}` : ''}`], ['registered', moment(ms(v.creation_timestamp))], ['status', v.status]]), changes.length ? h('ul', { class: 'changes' }, changes.map(x => h('li', {}, x))) : null];
    if (await confirm(c.title, c.text, { action: held(alias) ? 'Move alias' : 'Set alias', detail })) await act(() => data.setAlias(name, alias, v.version), `${alias} is version ${v.version} now`);
  }
  const held = alias => registered.aliases?.find(a => a.alias === alias)?.version;
  async function remove(alias) {
    if (await confirm(`Remove alias ${alias}?`, data.removal(name, alias, now), { action: 'Remove alias', danger: alias === 'production' })) await act(() => data.deleteAlias(name, alias), `${alias} is gone`);
  }
  function other(v) {
    const input = h('input', { required: true, maxlength: 255, placeholder: 'champion', 'aria-label': 'Alias', autofocus: true });
    const d = dialog(`Another alias of version ${v.version}`, h('form', { onsubmit: e => { e.preventDefault(); d.close(); move(input.value.trim(), v); } }, input, h('p', { class: 'buttons' }, button('Continue', null, { type: 'submit', class: 'primary' }))));
  }
  const roleOf = v => [now?.live?.version === v.version && now.live.model === name ? badge('live', 'good') : null, now?.shadow?.version === v.version && now.shadow.model === name ? badge('shadow', 'mark') : null, now?.failed_version === v.version ? badge('failed', 'bad') : null, now?.pending_version === v.version ? badge('loading', 'warn') : null];
  const t = table([
    { title: 'Version', class: 'num', key: 'version' }, { title: '', cell: roleOf },
    { title: 'Aliases', cell: v => aliasesOf(v).map(a => h('span', { class: 'alias' }, a, h('button', { type: 'button', class: 'icon-button', 'aria-label': `Remove alias ${a}`, title: `Remove alias ${a}`, onclick: () => remove(a) }, '×'))) },
    { title: 'Set alias', cell: v => h('span', { class: 'set' }, ['production', 'shadow'].filter(a => !aliasesOf(v).includes(a)).map(a => button(a, () => move(a, v), { 'aria-label': `Set alias ${a} to version ${v.version}` })), button('other…', () => other(v), { 'aria-label': `Set another alias to version ${v.version}` })) },
    { title: 'Status', cell: v => [statusOf(v.status), v.current_stage && v.current_stage !== 'None' ? ' ' + v.current_stage : ''] },
    { title: 'Registered', class: 'num', cell: v => ago(ms(v.creation_timestamp)) }, { title: 'Run', cell: v => v.run_id ? to({ run: v.run_id }, 'run') : '' },
    { title: 'Description', class: 'grow', cell: v => v.description ?? '' },
  ], { label: 'Versions', key: v => v.version });
  const showVersions = paged(versions, t, h('p', {})), about = h('p', { class: 'wrap' });
  const movesTable = table([
    { title: 'Time', class: 'time', cell: e => moment(Date.parse(e['@timestamp'])) }, { title: 'What', cell: e => badge(e.kind, e.kind.startsWith('alias') ? 'mark' : 'plain') }, { title: 'Alias', cell: e => e.detail?.alias ?? '' },
    { title: 'From', cell: e => e.from ?? '' }, { title: 'To', cell: e => e.to ?? '' }, { title: 'Who', cell: e => e.actor ?? 'unknown' }, { title: '', class: 'grow', cell: e => e.message ?? '' },
  ], { label: 'What was changed', key: e => e.event_id, empty: empty('Nothing was changed yet', 'Who moved which alias when is listed here.') });
  root.append(crumbs(to({}, 'Models'), 'Registered model'), h('div', { class: 'controls' }, h('h1', { class: 'wrap' }, name), h('a', { href: state.hrefKeep('compare', { route: name }) }, 'Compare its versions'), h('a', { href: state.hrefKeep('events', { q: is('model', name) }) }, 'Its events')), about, h('div', { class: 'grid' }, live.root, trial.root, sign.root), versions.root, moves.root);

  const side = (title, x) => x ? [h('h3', {}, title), facts([['version', x.version], ['why', x.policy], ['back-end', [badge(x.backend), ' ', x.why ?? '']], ['class', x.class], ['memory', bytes(x.memory_bytes)], ['loaded', x.loaded_ms ? ago(x.loaded_ms) : null], ['run', x.run_id ? to({ run: x.run_id }, x.run_id.slice(0, 12)) : null]])] : [];
  function showLive() {
    const trouble = [[now?.failed_version ? `version ${now.failed_version} could not be loaded` : 'not loaded', now?.failure], ['the shadow could not be started', now?.shadow_failure]].filter(x => x[1]).map(([k, v]) => h('p', { class: 'bad wrap', role: 'alert' }, `${k}: ${v}`));
    const pending = now?.pending_version ? h('p', { class: 'soft' }, `Version ${now.pending_version} is being loaded${now.pending ? ': ' + now.pending : ''}.`) : null;
    live.show(h('div', {}, trouble, pending, now?.live ? [side('Primary', now.live), side('Shadow', now.shadow)] : empty('No version is live', 'Give one the alias production below; the reason is above if it could not be loaded.')));
    sign.show(now?.live ? h('div', { class: 'two-tables' }, fieldTable(now.live.inputs ?? [], 'Input'), fieldTable(now.live.outputs ?? [], 'Output')) : empty('No signature', 'It is that of the live version.'));
  }
  async function showTrial(options) {
    const key = now?.live ? now.live.version + (now.live.artifact_sha256 ?? '') : '-';
    if (key === tried) return;
    if (!now?.live) { tried = key; trial.show(empty('Nothing to try', 'A prediction needs a live version.')); return; }
    lastExample = await data.example(name, options);
    trial.show(tryIt(name, now.live, lastExample));
    tried = key;
  }
  let loop = { now() {} };
  return {
    started(l) { loop = l; },
    async refresh(options) {
      const [m, routes, list] = await Promise.all([data.model(name, options), data.routes(options), data.moves(name, options).catch(e => { if (e.name === 'AbortError') throw e; moves.fail(e); return null; })]);
      registered = m;
      now = routes.find(r => r.name === name);
      clear(about, m.description ?? '');
      showLive();
      await showTrial(options);
      if (!versions.root.contains(document.activeElement) || document.activeElement.disabled) await showVersions(token => data.versions(name, token, options));
      if (list) { movesTable.rows(list); moves.show(movesTable.root); }
    },
    keys: {},
  };
}

// ---- which of these the URL names ----

export function mount(root) {
  let view, loop, shown = '';
  const key = () => ['model', 'experiment', 'run', 'runs', 'path'].map(k => state.get(k)).join('\n');
  function open() {
    loop?.stop();
    clear(root);
    shown = key();
    const run = state.get('run'), runs = state.get('runs'), experiment = state.get('experiment'), model = state.get('model');
    view = model ? modelPage(root, model) : run ? runPage(root, run) : runs ? runsPage(root, runs.split(',')) : experiment ? experimentPage(root, experiment) : home(root);
    const mine = view;
    let done = false;
    loop = poll(async options => {
      if (done && mine.once) return;
      try { await mine.refresh(options); done = true; } catch (e) {
        if (e.name !== 'AbortError' && !done && mine === view) clear(root, crumbs(to({}, 'Models')), failed(e, open));
        throw e;
      }
    }, EVERY_MS);
    mine.started?.(loop);
    again = () => { done = false; loop.now(); };
  }
  let again = () => {};
  open();
  const off = state.on(() => key() === shown ? again() : open());
  return { keys: { j: () => view.keys?.j?.(), k: () => view.keys?.k?.(), Enter: () => view.keys?.Enter?.() }, stop() { off(); loop.stop(); } };
}
