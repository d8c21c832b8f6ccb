// One event in the drawer: answer, inputs, latency, what the shadow said, what came before and after, and trying again.
import { search, serving } from './api.js';
import { clear, h } from './dom.js';
import { answerOf, facts, latencyParts, leaves, probabilities, time } from './event.js';
import { answer, clock, micros, moment, value } from './format.js';
import * as state from './state.js';
import { badge, button, code, copyText, drawer, empty, iconButton, loading, statusBadge } from './ui.js';
import { copyAs, searchRequest } from './copy.js';

const section = (title, ...body) => h('section', { 'aria-label': title }, h('h3', {}, title), body);
const exact = (field, v) => ({ term: { [field + '.keyword']: v } });

// ---- the same rows answered by another version ----

// A shadow answers after the reply: of a young event it is asked for again.
async function others(e, box) {
  const a = await search('predictions', { size: 10, query: { bool: { filter: [exact('request_id', e.request_id), { term: { row: e.row } }], must_not: [exact('event_id', e.event_id)] } } });
  const found = a.hits.hits.map(x => x._source);
  if (!found.length && box.isConnected && Date.now() - time(e) < 10e3) setTimeout(() => others(e, box).catch(() => {}), 1000);
  if (!found.length) return void clear(box, h('p', { class: 'soft' }, e.role === 'shadow' ? 'The primary’s event is not kept any more.' : 'No other version saw this row. Give a version the alias shadow, and its answers stand here.'));
  clear(box, found.map(o => {
    const same = answerOf(o) === answerOf(e);
    return h('div', { class: 'other' }, h('p', {}, badge(o.role, 'mark'), ' ', h('a', { href: state.hrefKeep('events', { q: state.get('q'), id: o.event_id }) }, `${o.model ?? o.route} ${o.model_version ?? ''}`), ' ', h('b', {}, answerOf(o)), ' ', badge(same ? 'agrees' : 'differs', same ? 'good' : 'warn'), ' ', h('span', { class: 'soft num' }, micros(o.latency?.total_us))), probabilities(o, 5));
  }));
}

// ---- what came before and after on the same route ----

async function neighbours(e, box) {
  const near = async (order, bound) => (await search('predictions', {
    size: 4, sort: [{ '@timestamp': { order } }, { seq: { order } }], query: { bool: { filter: [exact('route', e.route), exact('role', e.role), { range: { '@timestamp': { [bound]: time(e), format: 'epoch_millis' } } }], must_not: [exact('event_id', e.event_id)] } },
  })).hits.hits.map(x => x._source);
  const [before, after] = await Promise.all([near('desc', 'lte'), near('asc', 'gte')]);
  const seen = new Set([e.event_id]), row = (o, here) => h('li', { class: here ? 'here' : '' }, h('span', { class: 'mono soft' }, clock(time(o))), ' ', here ? h('b', {}, answerOf(o)) : h('a', { href: state.hrefKeep('events', { q: state.get('q'), id: o.event_id }) }, answerOf(o)), ' ', o.user ? h('span', { class: 'soft' }, o.user) : null, o.status === 'ok' ? null : [' ', statusBadge(o.status)]);
  const fresh = list => list.filter(o => !seen.has(o.event_id) && seen.add(o.event_id)).slice(0, 3);
  const older = fresh(before.filter(o => o.seq < e.seq || time(o) < time(e))).reverse(), newer = fresh(after);
  clear(box, h('ul', { class: 'near' }, older.map(o => row(o)), row(e, true), newer.map(o => row(o))));
}

// ---- try again ----

// What was typed as the JSON token it looks like; else as text.
function token(text) {
  try { return JSON.parse(text); } catch { return text; }
}

function tryAgain(e) {
  const names = Object.keys(e.input ?? {});
  if (!names.length) return h('p', { class: 'soft' }, 'This request had no inputs that could be read.');
  const boxes = new Map(names.map(n => [n, h('input', { value: typeof e.input[n] === 'string' ? e.input[n] : JSON.stringify(e.input[n]), 'aria-label': n, spellcheck: 'false', autocomplete: 'off' })]));
  const result = h('div', { class: 'again', 'aria-live': 'polite' }), send = h('button', { class: 'primary' }, 'Send');
  const path = `/models/${encodeURIComponent(e.route)}/predict`, row = () => Object.fromEntries(names.map(n => [n, typeof e.input[n] === 'string' ? boxes.get(n).value : token(boxes.get(n).value)]));
  async function submit(x) {
    x.preventDefault();
    send.disabled = true;
    try {
      const a = await serving('POST', path, row(), { raw: true, headers: { 'X-Tag-Again': e.event_id } });
      const now = a.body ?? {};
      const changed = names.filter(n => JSON.stringify(row()[n]) !== JSON.stringify(e.input[n]));
      clear(result, h('p', { class: 'soft' }, changed.length ? 'Changed: ' + changed.join(', ') : 'Nothing changed'), h('div', { class: 'both' },
        h('div', {}, h('h4', {}, `Then, version ${e.model_version ?? '–'}`), h('p', {}, h('b', {}, answerOf(e))), probabilities(e, 6)),
        h('div', {}, h('h4', {}, `Now, version ${now.model_version ?? '–'}`), a.status === 200
          ? [h('p', {}, h('b', { class: 'now' }, answer(now.prediction))), probabilities({ class_probabilities_map: now.probabilities }, 6)]
          : h('p', { class: 'bad now' }, `${a.status}: ${now.error?.message ?? a.text}`))));
    } catch (error) {
      clear(result, h('p', { class: 'bad' }, error.message), error.hint ? h('p', { class: 'soft' }, error.hint) : null);
    } finally { send.disabled = false; }
  }
  return h('form', { class: 'try', onsubmit: submit }, [...boxes].map(([n, box]) => h('label', {}, h('span', {}, n), box)), h('p', { class: 'buttons' }, copyAs(() => ({ target: 'serving', method: 'POST', path, body: row() })), send), result);
}

// ---- the drawer ----

// options: {narrow(field, value, exclude), step(±1), onclose}
export function openEvent(e, options) {
  const filters = (field, v) => v === null || typeof v === 'object' ? null : [iconButton(`Only ${field} of this value`, 'include', () => options.narrow(field, v)), iconButton(`Without ${field} of this value`, 'exclude', () => options.narrow(field, v, true))];
  const fact = (field, v, name = field) => [name, h('span', { class: typeof v === 'number' ? 'num' : '' }, value(v)), filters(field, v)];
  const shown = new Set(['@timestamp']), part = prefix => leaves(e[prefix]).map(([k, v]) => { shown.add(prefix + '.' + k); return fact(prefix + '.' + k, v, k); });
  const inputs = part('input'), prediction = part('prediction');
  for (const prefix of ['class_probabilities_map', 'latency']) for (const [k] of leaves(e[prefix])) shown.add(prefix + '.' + k);
  const rest = leaves(e).filter(([k]) => !shown.has(k)).map(([k, v]) => fact(k, v));
  const shadow = h('div', {}, loading()), near = h('div', {}, loading());
  const d = drawer(`${e.model ?? e.route ?? 'Event'} ${e.model_version ?? ''}`, {
    sub: moment(time(e)) + ' · ' + e.event_id, onclose: options.onclose,
    actions: [iconButton('Newer', 'previous', () => options.step(-1)), iconButton('Older', 'next', () => options.step(1)), copyAs(() => searchRequest('predictions', { query: exact('event_id', e.event_id) })), iconButton('Copy a link to this event', 'link', () => copyText(location.href, 'Link copied'))],
  });
  d.root.id = 'detail';
  d.show(
    h('p', { class: 'headline' }, statusBadge(e.status), ' ', badge(e.role, e.role === 'shadow' ? 'mark' : 'plain'), ' ', h('b', { class: 'answer' }, answerOf(e))),
    probabilities(e), e.prediction && prediction.length > 1 ? section('Answer', facts(prediction)) : null,
    section('Inputs', inputs.length ? facts(inputs) : h('p', { class: 'soft' }, 'They could not be read.')),
    section(`Latency ${micros(e.latency?.total_us)}`, latencyParts(e)),
    section(e.role === 'shadow' ? 'The primary’s answer' : 'The shadow’s answer', shadow),
    section('Before and after', near),
    section('Try again with changed values', tryAgain(e)),
    section('Everything else', facts(rest)),
    h('details', {}, h('summary', {}, 'Raw JSON'), code(JSON.stringify(e, null, 2))),
  );
  for (const [ask, box] of [[others, shadow], [neighbours, near]]) ask(e, box).catch(error => clear(box, empty(error.message, error.hint)));
}
