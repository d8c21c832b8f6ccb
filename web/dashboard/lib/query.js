// Bodies for the search API (Elasticsearch's forms) and the query_string language.

const SPECIAL = /[+\-=&|><!(){}[\]^"~*?:\\/\s]/g;
export const escapeField = name => name.replace(SPECIAL, c => '\\' + c);
export const quote = v => '"' + String(v).replace(/["\\]/g, c => '\\' + c) + '"';

// Fields whose values are single words: their text form is as exact as .keyword, and reads better.
const WORDS = new Set(['status', 'role', 'model_version']);

// status + ok → status:"ok"; user + "a b" → user.keyword:"a b"; numbers and booleans stand bare, quoted when negative.
export function is(field, v) {
  if (typeof v === 'boolean' || typeof v === 'number') return escapeField(field) + ':' + (v < 0 ? quote(v) : String(v));
  return escapeField(WORDS.has(field) ? field : field + '.keyword') + ':' + quote(v);
}

// Adds a condition to a query, once. exclude: NOT.
export function narrow(q, condition, exclude = false) {
  const clause = exclude ? 'NOT ' + condition : condition, trimmed = q.trim();
  if (!trimmed || trimmed === '*') return clause;
  if (trimmed === clause || trimmed.endsWith(' AND ' + clause) || trimmed.startsWith(clause + ' AND ')) return q;
  return (/\bOR\b/.test(trimmed) && !trimmed.startsWith('(') ? `(${trimmed})` : trimmed) + ' AND ' + clause;
}

// query of a panel: what was typed, within the range, and more filters.
export function filtered(q, range, ...more) {
  const filter = [{ range: { '@timestamp': { gte: range.from, lt: range.to, format: 'epoch_millis' } } }, ...more];
  if (q.trim() && q.trim() !== '*') filter.push({ query_string: { query: q, default_operator: 'AND' } });
  return { bool: { filter } };
}

export const PRIMARY = { bool: { must_not: [{ term: { 'role.keyword': 'shadow' } }] } };

export const FAILED = { bool: { must_not: [{ term: { 'status.keyword': 'ok' } }] } };

// About `most` bars over the range, of a width that clocks know. Milliseconds.
const WIDTHS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800].map(s => s * 1000);
export const interval = (range, most = 90) => WIDTHS.find(w => (range.to - range.from) / w <= most) ?? Math.ceil((range.to - range.from) / most / 86400e3) * 86400e3;

// date_histogram of that width with empty bars where nothing was.
export const perTime = (range, width, aggs) => ({
  date_histogram: { field: '@timestamp', fixed_interval: width / 1000 + 's', min_doc_count: 0, extended_bounds: { min: Math.floor(range.from / width) * width, max: range.to - 1 } },
  ...(aggs && { aggs }),
});
