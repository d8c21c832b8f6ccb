// The only way pages make elements. Text is always text: nothing here, and nothing in a page, takes markup.

function add(e, children) {
  for (const c of children.flat(Infinity)) if (c !== null && c !== undefined && c !== false) e.append(c instanceof Node ? c : String(c));
  return e;
}

function set(e, props) {
  for (const [k, v] of Object.entries(props)) {
    if (v === null || v === undefined || v === false) continue;
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else if (k === 'value' || k === 'checked' || k === 'selected') e[k] = v;
    else if (k === 'style') for (const [name, value] of Object.entries(v)) e.style.setProperty(name, value);
    else e.setAttribute(k, v === true ? '' : v);
  }
  return e;
}

// h('a', { class: 'soft', href: '/events', onclick: fn, style: { '--part': '40%' } }, 'text', node, [more])
export const h = (tag, props = {}, ...children) => add(set(document.createElement(tag), props), children);

// The same for SVG.
export const svg = (tag, props = {}, ...children) => add(set(document.createElementNS('http://www.w3.org/2000/svg', tag), props), children);

// A line icon of the set below; decoration only.
const ICONS = {
  overview: 'M3 13h4l3-8 4 14 3-6h4', events: 'M4 6h16M4 12h16M4 18h10', compare: 'M7 4v16M17 4v16M3 8l4-4 4 4M13 16l4 4 4-4', usage: 'M4 20V10M10 20V4M16 20v-7M21 20H3', models: 'M12 3l9 5-9 5-9-5zM3 13l9 5 9-5',
  alerts: 'M12 3a6 6 0 016 6v5l2 3H4l2-3V9a6 6 0 016-6zM10 20h4', more: 'M5 12h.01M12 12h.01M19 12h.01', copy: 'M9 9h11v11H9zM5 15H4V4h11v1', close: 'M6 6l12 12M18 6L6 18', theme: 'M12 3a9 9 0 100 18zM12 3a9 9 0 010 18',
  link: 'M10 14a4 4 0 006 0l3-3a4 4 0 00-6-6l-1 1M14 10a4 4 0 00-6 0l-3 3a4 4 0 006 6l1-1', play: 'M8 5l11 7-11 7z', pause: 'M8 5v14M16 5v14', search: 'M11 4a7 7 0 100 14 7 7 0 000-14zM16 16l5 5', help: 'M9 9a3 3 0 114 3c-1 .5-1 1-1 2M12 17.5v.01', include: 'M12 5v14M5 12h14', exclude: 'M5 12h14', next: 'M9 5l7 7-7 7', previous: 'M15 5l-7 7 7 7',
};
export const icon = name => svg('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true' }, svg('path', { d: ICONS[name] }));

export const clear = (e, ...children) => { e.replaceChildren(); return add(e, children); };
