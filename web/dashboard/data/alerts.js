// Rules, their states and what belongs to them: the calls of Alerts, and rules as a form shows them. No page in here.
import { alerts, serving } from '../lib/api.js';
import { bytes, percent, seconds, short } from '../lib/format.js';

const seg = encodeURIComponent;
export const overview = o => alerts('GET', '', undefined, o);
export const rule = (name, o) => alerts('GET', '/rules/' + seg(name), undefined, o);
export const history = (name, o) => alerts('GET', '/history?limit=100' + (name ? '&rule=' + seg(name) : ''), undefined, o).then(a => a.entries);
export const check = definition => alerts('POST', '/check', definition);
export const create = definition => alerts('POST', '/rules', definition);
export const replace = (name, definition) => alerts('PUT', '/rules/' + seg(name), definition);
export const remove = name => alerts('DELETE', '/rules/' + seg(name));
export const enable = (name, on) => alerts('POST', `/rules/${seg(name)}/${on ? 'enable' : 'disable'}`, {});
export const silence = s => alerts('POST', '/silences', s);
export const unsilence = id => alerts('DELETE', '/silences/' + seg(id));
export const test = name => alerts('POST', `/destinations/${seg(name)}/test`, {});

// Names of the metrics that the predictions' port shows.
export const metricNames = o => serving('GET', '/metrics', undefined, { ...o, raw: true }).then(a => [...a.text.matchAll(/^# TYPE (\S+)/gm)].map(m => m[1]).sort());

// A number in the rule's unit.
export const number = (v, unit) => v === null || v === undefined ? '–' : unit === 's' ? seconds(v) : unit === 'bytes' ? bytes(v) : unit === 'ratio' ? percent(v) : short(v) + (unit === '/s' ? ' /s' : '');

// What the form shows; every other key of a definition is kept as it is.
export const FIELDS = ['name', 'metric', 'events', 'where', 'stat', 'field', 'window', 'above', 'below', 'clear', 'for', 'at_least', 'no_data', 'severity', 'summary'];
const NUMBERS = new Set(['above', 'below', 'clear', 'at_least']);

// {role: primary, status: [a, b]} ↔ role=primary, status=a|b
export const pairsText = where => Object.entries(where ?? {}).map(([k, v]) => `${k}=${[v].flat().join('|')}`).join(', ');
function pairsOf(text) {
  const out = {};
  for (const part of text.split(',').map(x => x.trim()).filter(Boolean)) {
    const at = part.indexOf('='), values = part.slice(at + 1).split('|').map(x => x.trim());
    if (at < 1) throw new Error(`“${part}” is not label=value`);
    out[part.slice(0, at).trim()] = values.length > 1 ? values : values[0];
  }
  return out;
}

// values: text of each form field; kept: the definition that is edited.
export function definitionOf(values, kept = {}) {
  const out = Object.fromEntries(Object.entries(kept).filter(([k]) => !FIELDS.includes(k)));
  for (const k of FIELDS) {
    const text = (values[k] ?? '').trim();
    if (text === '') continue;
    if (NUMBERS.has(k) && Number.isNaN(Number(text))) throw new Error(`${k} must be a number`);
    out[k] = NUMBERS.has(k) ? Number(text) : k === 'where' ? pairsOf(text) : text;
  }
  return out;
}
export const formOf = definition => Object.fromEntries(FIELDS.map(k => [k, k === 'where' ? pairsText(definition.where) : definition[k] === undefined ? '' : String(definition[k])]));
export const otherKeys = definition => Object.keys(definition).filter(k => !FIELDS.includes(k));
