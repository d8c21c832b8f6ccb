// What pages ask of one event document, and how they show parts of it.
import { answer, micros } from './format.js';
import { h } from './dom.js';
import { barList } from './table.js';

// The value at a dotted path; names may hold dots themselves. undefined when there is none.
export function at(doc, path) {
  if (doc === null || typeof doc !== 'object') return undefined;
  if (Object.hasOwn(doc, path)) return doc[path];
  for (let i = path.indexOf('.'); i > 0; i = path.indexOf('.', i + 1)) {
    const head = path.slice(0, i);
    if (!Object.hasOwn(doc, head)) continue;
    const found = at(doc[head], path.slice(i + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

// [[path, value]] of all that is not an object, in the document's order.
export function leaves(doc, prefix = '', depth = 0) {
  return Object.entries(doc ?? {}).flatMap(([k, v]) => v !== null && typeof v === 'object' && !Array.isArray(v) && depth < 8 ? leaves(v, prefix + k + '.', depth + 1) : [[prefix + k, v]]);
}

export const answerOf = e => e.prediction ? answer(e.prediction) : e.error ?? '';
export const time = e => Date.parse(e['@timestamp']);
const sure = e => Object.entries(e.class_probabilities_map ?? {}).sort((a, b) => b[1] - a[1]);
export const confidence = e => sure(e)[0]?.[1] ?? null;

export function probabilities(e, most = 12) {
  const all = sure(e);
  return all.length ? barList(all.slice(0, most).map(([label, value], i) => ({ label, value, text: (value * 100).toFixed(1) + ' %', kind: i ? 'soft' : 'mark' })), { max: 1, label: 'Probabilities' }) : null;
}

// Where the time went: queue, the model, the rest (reading, writing the event and the answer).
export function latencyParts(e) {
  const l = e.latency ?? {}, queue = l.queue_us ?? 0, compute = l.compute_us ?? 0, rest = Math.max(0, (l.total_us ?? 0) - queue - compute);
  return barList([['waiting', queue, 'soft'], ['the model', compute, 'mark'], ['reading and writing', rest, 'soft']].map(([label, value, kind]) => ({ label, value, kind, text: micros(value) })), { max: l.total_us || 1, label: 'Latency' });
}

// facts([[name, node or text, actions]])
export const facts = rows => h('dl', { class: 'facts' }, rows.flatMap(([name, value, actions]) => [h('dt', {}, name), h('dd', {}, h('span', {}, value), actions ? h('span', { class: 'fact-actions' }, actions) : null)]));
