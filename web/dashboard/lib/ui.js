// What all pages are built of: panels, tiles, messages, empty and failed states, dialogs, the drawer, menus.
import { h, icon, clear } from './dom.js';

// A box with a heading. options: {note: text or node beside the title, actions: nodes at the right, wide: true → whole row, id}
// Answers {root, body, title(text), note(text), show(...nodes), fail(error, retry)}; show and fail replace the body.
export function panel(title, options = {}) {
  const heading = h('h2', {}, title), note = h('span', { class: 'soft note' }, options.note ?? ''), body = h('div', { class: 'body' });
  const root = h('section', { class: 'panel' + (options.wide ? ' wide' : ''), id: options.id }, h('header', {}, heading, note, h('span', { class: 'actions' }, options.actions ?? [])), body);
  return {
    root, body,
    title: text => clear(heading, text),
    note: (...nodes) => clear(note, nodes),
    show: (...nodes) => { if (body.childNodes.length !== nodes.length || nodes.some((n, i) => n !== body.childNodes[i])) clear(body, nodes); },
    fail: (error, retry) => clear(body, failed(error, retry)),
  };
}

// A number with what it counts. Answers {root, set(text, {bad, note, href})}.
export function tile(label, options = {}) {
  const number = h('b', {}, '–'), note = h('span', { class: 'soft' });
  const root = h('div', { class: 'tile', id: options.id }, h('span', { class: 'label' }, label), number, note);
  return { root, set(text, { bad = false, good = false, note: more = '' } = {}) { clear(number, text); number.className = bad ? 'bad' : good ? 'good' : ''; clear(note, more); } };
}

// Nothing here yet, and what to do about it. options: {code: a command to copy, actions: nodes}
export function empty(title, text, options = {}) {
  return h('div', { class: 'empty' }, h('p', { class: 'what' }, title), text ? h('p', { class: 'soft' }, text) : null, options.code ? code(options.code) : null, options.actions ? h('p', {}, options.actions) : null);
}

export function failed(error, retry) {
  return h('div', { class: 'empty failed', role: 'alert' }, h('p', { class: 'what bad' }, error.message), error.hint ? h('p', { class: 'soft' }, error.hint) : null, retry ? button('Try again', retry) : null);
}

export const loading = (text = 'Loading…') => h('p', { class: 'soft loading' }, text);

export const button = (label, onclick, props = {}) => h('button', { type: 'button', onclick, ...props }, label);
// name is what the button is called by screen readers and in its tooltip
export const iconButton = (name, which, onclick, props = {}) => h('button', { type: 'button', class: 'icon-button', title: name, 'aria-label': name, onclick, ...props }, icon(which));

// A pill: kind is good, bad, warn, mark or plain.
export const badge = (text, kind = 'plain') => h('span', { class: 'badge ' + kind }, text);
export const statusBadge = s => badge(s ?? 'unknown', s === 'ok' ? 'good' : s === 'rejected' || s === 'timeout' ? 'warn' : 'bad');

export async function copyText(text, what = 'Copied') {
  try {
    await navigator.clipboard.writeText(text);
    toast(what);
  } catch {
    dialog('Copy this', code(text));
  }
}

export function code(text) {
  return h('div', { class: 'code' }, h('pre', { tabindex: 0 }, text), iconButton('Copy', 'copy', () => copyText(text)));
}

// A short message that goes by itself; kind: good, bad.
export function toast(text, kind = 'good') {
  const t = h('div', { class: 'toast ' + kind }, text);
  document.getElementById('toasts').append(t);
  setTimeout(() => t.remove(), kind === 'bad' ? 8000 : 3000);
}
export const toastError = e => toast(e.hint ? `${e.message}. ${e.hint}` : e.message, 'bad');

// A modal dialog; answers {root, close()}. Escape and a click beside it close it.
export function dialog(title, ...children) {
  const d = h('dialog', { 'aria-label': title });
  d.append(h('header', {}, h('h2', {}, title), iconButton('Close', 'close', () => d.close())), h('div', { class: 'body' }, children));
  d.addEventListener('click', e => { if (e.target === d) d.close(); });
  d.addEventListener('close', () => d.remove());
  document.body.append(d);
  d.showModal();
  return { root: d, close: () => d.close() };
}

// Asks; true when the action was chosen. options: {action: 'Move alias', danger: true, detail: nodes}
export function confirm(title, text, options = {}) {
  return new Promise(resolve => {
    let yes = false;
    const act = button(options.action ?? 'OK', () => { yes = true; d.close(); }, { class: options.danger ? 'danger' : 'primary', autofocus: true });
    const d = dialog(title, h('p', {}, text), options.detail ?? [], h('p', { class: 'buttons' }, button('Cancel', () => d.close()), act));
    d.root.addEventListener('close', () => resolve(yes));
  });
}

// A panel at the side (below, on small screens) that stays while one works on; one at a time. onclose is called once.
let open = null;
export function drawer(title, { onclose, actions = [], sub = '' } = {}) {
  open?.close(true);
  const body = h('div', { class: 'body' }), back = document.activeElement;
  const root = h('aside', { class: 'drawer', 'aria-label': title, tabindex: -1 }, h('header', {}, h('div', { class: 'what' }, h('h2', {}, title), sub ? h('span', { class: 'soft mono' }, sub) : null), h('span', { class: 'actions' }, actions, iconButton('Close', 'close', () => mine.close()))), body);
  const mine = open = {
    root, body,
    show: (...nodes) => clear(body, nodes),
    close(replaced = false) {
      if (open !== mine) return;
      open = null;
      root.remove();
      if (!replaced) { onclose?.(); back?.focus?.({ preventScroll: true }); }
    },
  };
  document.body.append(root);
  root.focus({ preventScroll: true });
  return mine;
}
export const closeDrawer = () => open?.close(true);
export const drawerOpen = () => !!open;
addEventListener('keydown', e => { if (e.key === 'Escape' && open && !document.querySelector('dialog[open], .menu')) open.close(); });

// A menu below its button. items: [[text, action], ...]
export function menu(at, items) {
  document.querySelector('.menu')?.remove();
  const close = () => { m.remove(); removeEventListener('pointerdown', outside, true); };
  const outside = e => { if (!m.contains(e.target)) close(); };
  const m = h('div', { class: 'menu', role: 'menu' }, items.map(([text, act]) => h('button', { type: 'button', role: 'menuitem', onclick: () => { close(); at.focus(); act(); } }, text)));
  m.addEventListener('keydown', e => {
    const all = [...m.children], i = all.indexOf(document.activeElement);
    if (e.key === 'Escape') { close(); at.focus(); e.stopPropagation(); }
    else if (e.key === 'ArrowDown') all[(i + 1) % all.length].focus();
    else if (e.key === 'ArrowUp') all[(i + all.length - 1) % all.length].focus();
    else return;
    e.preventDefault();
  });
  document.body.append(m);
  const box = at.getBoundingClientRect(), width = m.offsetWidth;
  m.style.setProperty('left', Math.max(8, Math.min(box.right - width, innerWidth - width - 8)) + scrollX + 'px');
  m.style.setProperty('top', box.bottom + 4 + scrollY + 'px');
  m.firstChild?.focus();
  addEventListener('pointerdown', outside, true);
}
