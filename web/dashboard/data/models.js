// Experiments, runs, registered models and what is live: what Models asks and works out. No page in here.
import { call, registry, search, serving } from '../lib/api.js';

// MLflow's filters cannot escape a quote; a pattern finds such a name and perhaps others.
const nameIs = name => /['\\]/.test(name) ? `name LIKE '${name.replace(/['\\]/g, '_')}'` : `name='${name}'`;

const page = (token, more) => ({ max_results: 100, ...more, ...(token && { page_token: token }) });
export const models = (token, o) => registry('GET', 'registered-models/search', page(token), o).then(d => ({ rows: d.registered_models ?? [], token: d.next_page_token }));
export const experiments = (token, o) => registry('POST', 'experiments/search', page(token), o).then(d => ({ rows: d.experiments ?? [], token: d.next_page_token }));
export const runs = (experiment, filter, order, token, o) =>
  registry('POST', 'runs/search', page(token, { experiment_ids: [experiment], ...(filter && { filter }), ...(order && { order_by: [order] }) }), o).then(d => ({ rows: d.runs ?? [], token: d.next_page_token }));
export const versions = (name, token, o) =>
  registry('GET', 'model-versions/search', page(token, { filter: nameIs(name), order_by: ['version_number DESC'] }), o).then(d => ({ rows: (d.model_versions ?? []).filter(v => v.name === name), token: d.next_page_token }));
export const versionsOfRun = (run, o) => registry('GET', 'model-versions/search', { filter: `run_id='${run}'`, max_results: 50 }, o).then(d => d.model_versions ?? []);
export const model = (name, o) => registry('GET', 'registered-models/get', { name }, o).then(d => d.registered_model);
export const experiment = (id, o) => registry('GET', 'experiments/get', { experiment_id: id }, o).then(d => d.experiment);
export const run = (id, o) => registry('GET', 'runs/get', { run_id: id }, o).then(d => d.run);
export const files = (id, path, o) => registry('GET', 'artifacts/list', { run_id: id, ...(path && { path }) }, o).then(d => d.files ?? []);
export const fileUrl = (id, path) => '/api/registry/get-artifact?' + new URLSearchParams({ run_id: id, path });
export const history = (ids, key, o) => registry('GET', 'metrics/get-history-bulk-interval', { run_ids: ids, metric_key: key, max_results: 400 }, o).then(d => d.metrics ?? []);

export const setAlias = (name, alias, version) => registry('POST', 'registered-models/alias', { name, alias, version });
export const deleteAlias = (name, alias) => registry('DELETE', 'registered-models/alias', { name, alias });

// What serving says: {live, shadow, failure, ...} of every route; [] while it is away.
export const routes = o => serving('GET', '/models', undefined, { ...o, raw: true }).then(a => a.body?.models ?? []);
// {feature: value} to begin with, as the model's input example or its types say.
export async function example(route, o) {
  const api = await serving('GET', '/openapi.json', undefined, o);
  for (const p of Object.values(api.paths ?? {})) if (p.post?.['x-sibyl-model'] === route) return p.post.requestBody.content['application/json'].example ?? {};
  return {};
}

// ---- alias moves, from the audit ----

export const movesBody = name => ({ size: 50, sort: [{ '@timestamp': 'desc' }], query: { bool: { filter: [{ term: { 'object.keyword': name } }, { bool: { should: ['alias.', 'version.', 'model.'].map(p => ({ prefix: { 'kind.keyword': p } })), minimum_should_match: 1 } }] } } });
export const moves = (name, o) => search('audit', movesBody(name), o).then(a => a.hits.hits.map(x => x._source), e => { if (e.status === 404) return []; throw e; });

// ---- signatures ----

// The single-quoted JSON after `key:` of a MLmodel file's signature; PyYAML folds long ones over lines.
function quoted(text, key) {
  const m = new RegExp(`^ {2}${key}: '((?:[^']|'')*)'`, 'm').exec(text);
  try { return m ? JSON.parse(m[1].replace(/\n *\n? */g, ' ').replaceAll("''", "'")) : null; } catch { return null; }
}
const field = (f, i) => ({ name: f.name ?? String(i), type: f.type === 'tensor' ? f['tensor-spec']?.dtype ?? 'tensor' : typeof f.type === 'string' ? f.type : 'object', required: f.required !== false && !f.optional });

// {inputs, outputs} of any version, live or not; null when its MLmodel has none.
export async function signature(name, version, o) {
  const text = await call('GET', '/api/registry/model-versions/get-artifact?' + new URLSearchParams({ name, version, path: 'MLmodel' }), undefined, o);
  if (typeof text !== 'string' || !/^signature:/m.test(text)) return null;
  const part = text.slice(text.search(/^signature:/m)), inputs = quoted(part, 'inputs');
  return inputs && { inputs: inputs.map(field), outputs: (quoted(part, 'outputs') ?? []).map(field) };
}

// What differs between two lists of fields: ["new: x (double)", ..]
export function differences(before, after) {
  const of = list => new Map(list.map((f, i) => [f.name ?? String(i), f.type])), a = of(before), b = of(after), out = [];
  for (const [n, t] of b) if (!a.has(n)) out.push(`new: ${n} (${t})`);
  for (const [n, t] of a) if (!b.has(n)) out.push(`gone: ${n} (${t})`);
  for (const [n, t] of b) if (a.has(n) && a.get(n) !== t) out.push(`${n}: ${t} instead of ${a.get(n)}`);
  return out;
}

// What an alias that moves to a version does. now: the route's entry of serving, or undefined.
export function consequence(name, alias, version, now) {
  if (alias === 'production') return {
    title: `Version ${version} goes live`,
    text: now?.live ? now.live.version === version ? `${name} ${version} answers already (${now.live.policy}); the alias makes it stay when newer versions are registered.`
      : `Clients of POST /models/${name}/predict get the answers of version ${version} instead of version ${now.live.version}, as soon as it is loaded and checked. Until then, and if it cannot be loaded, version ${now.live.version} answers.`
      : `No version of ${name} answers now. Version ${version} does as soon as it is loaded and checked.`,
  };
  if (alias === 'shadow') return {
    title: `Version ${version} runs as shadow`,
    text: `It gets the rows of every request to ${name} after the client has its reply${now?.shadow && now.shadow.version !== version ? `, instead of version ${now.shadow.version}` : ''}. Clients see nothing of it; Compare shows how it differs.`,
  };
  return { title: `${alias} names version ${version}`, text: 'What is live does not change: only the aliases production and shadow decide that.' };
}
export const removal = (name, alias, now) => alias === 'production' ? `Nothing is chosen for production any more. While no version has an alias or a stage, the newest READY version of ${name} goes live; otherwise ${now?.live ? `version ${now.live.version} goes on answering` : 'nothing is live'}.`
  : alias === 'shadow' ? 'The shadow stops. Clients see nothing of it.' : 'What is live does not change.';
