// Calls of the same-origin API. A failure is an ApiError whose message says what happened and whose hint says what to do.

export class ApiError extends Error {
  constructor(message, { status = 0, hint = '', url = '' } = {}) {
    super(message);
    Object.assign(this, { status, hint, url });
  }
}

// Elasticsearch: {error: {reason, root_cause: [{reason}]}}; MLflow: {message}; sibyl: {error} or {detail}.
function reason(body, text) {
  const e = body?.error;
  const deep = e?.root_cause?.[0]?.reason ?? e?.reason ?? (typeof e === 'string' ? e : null);
  return deep ?? body?.message ?? (typeof body?.detail === 'string' ? body.detail : null) ?? text.slice(0, 300);
}

function hint(status, url) {
  if (status === 404 && url.startsWith('/api/search')) return 'There is no such index yet: it is made with the first event.';
  if (status === 400 && url.startsWith('/api/search')) return 'Check the query: field:value, AND, OR, NOT, ranges like latency.total_us:>1000.';
  if (status >= 502) return 'That part of sibyl does not answer; it is restarted by itself. `sibyl doctor` says more.';
  if (status === 429 || status === 503) return 'It is busy. It is asked again in a moment.';
  return '';
}

// JSON in, JSON out. options: {signal, timeout: ms, headers, raw: true → {status, text, body, headers} without an error for a status}
export async function call(method, url, body, options = {}) {
  let answer, text;
  try {
    answer = await fetch(url, {
      method, signal: AbortSignal.any([options.signal, AbortSignal.timeout(options.timeout ?? 60e3)].filter(Boolean)),
      headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...options.headers },
      body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    });
    text = await answer.text();
  } catch (e) {
    if (e.name === 'AbortError') throw e;
    throw new ApiError('sibyl does not answer', { url, hint: 'Is `sibyl up` still running on this machine? It is asked again in a moment.' });
  }
  let parsed = null;
  try { parsed = JSON.parse(text); } catch { /* not JSON: shown as text */ }
  if (options.raw) return { status: answer.status, text, body: parsed, headers: answer.headers };
  if (!answer.ok) throw new ApiError(reason(parsed, text) || `status ${answer.status}`, { status: answer.status, url, hint: hint(answer.status, url) });
  return parsed ?? text;
}

const seg = encodeURIComponent;

// Elasticsearch's forms. index: predictions, metrics, audit.
export const search = (index, body, options) => call('POST', `/api/search/${seg(index)}/_search`, body, options);
export const countOf = (index, query, options) => call('POST', `/api/search/${seg(index)}/_count`, { query }, options).then(a => a.count);
export const fieldCaps = (index, options) => call('GET', `/api/search/${seg(index)}/_field_caps?fields=*`, undefined, options).then(a => a.fields);

// MLflow's REST API: registry('GET', 'registered-models/search', {max_results: 100})
export function registry(method, path, args = {}, options) {
  const url = '/api/registry/api/2.0/mlflow/' + path;
  if (method !== 'GET') return call(method, url, args, options);
  const query = new URLSearchParams();
  for (const [k, v] of Object.entries(args)) for (const one of [v].flat()) query.append(k, one);
  return call('GET', url + '?' + query, undefined, options);
}

// The serving port: serving('GET', '/health'), serving('POST', '/models/iris/predict', row, {raw: true})
export const serving = (method, path, body, options) => call(method, '/api/serving' + path, body, options);

// Alerts: alerts('GET'), alerts('POST', '/rules', definition)
export const alerts = (method, path = '', body, options) => call(method, '/api/alerts' + path, body, options);

// {registry, serving, search}: URLs of the other ports, for links and copied commands.
let known;
export const links = () => known ??= call('GET', '/api/links').catch(e => { known = undefined; throw e; });
