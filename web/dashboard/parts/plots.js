// Small drawings as SVG: lines in tables, distributions, values by step. Numbers only, labels as text beside them.
import { h, svg } from '../lib/dom.js';
import { short } from '../lib/format.js';

const path = points => points.map(([x, y], i) => (i && points[i - 1] ? 'L' : 'M') + x.toFixed(1) + ' ' + y.toFixed(1)).join('');

// points: [[x, y or null], ...]; the line breaks where y is null. line: a threshold.
export function sparkline(points, { label = 'Course', line = null, kind = '', width = 110, height = 26 } = {}) {
  const known = points.filter(p => p[1] !== null && p[1] !== undefined);
  const root = svg('svg', { class: 'spark ' + kind, viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': label, preserveAspectRatio: 'none' });
  if (!known.length) return root;
  const ys = known.map(p => p[1]).concat(line ?? []), x0 = points[0][0], x1 = points.at(-1)[0], low = Math.min(0, ...ys), high = Math.max(...ys, low + 1e-12);
  const at = ([x, y]) => [x1 > x0 ? (x - x0) / (x1 - x0) * (width - 4) + 2 : width / 2, height - 2 - (y - low) / (high - low) * (height - 4)];
  if (line !== null) root.append(svg('path', { class: 'threshold', d: path([at([x0, line]), at([x1, line])].map((p, i) => [i * width, p[1]])) }));
  let part = [];
  const end = () => {
    if (part.length === 1) root.append(svg('circle', { cx: part[0][0], cy: part[0][1], r: 1.8 }));
    else if (part.length) root.append(svg('path', { d: path(part) }));
    part = [];
  };
  for (const p of points) p[1] === null || p[1] === undefined ? end() : part.push(at(p));
  end();
  return root;
}

// Columns beside each other: series [{label, color: 'c1', values: [0..1 each]}], names of the columns for tooltips, ticks under them.
export function columns(series, { label, names, ticks, text = short }) {
  const n = series[0]?.values.length ?? 0, most = Math.max(1e-9, ...series.flatMap(s => s.values)), width = 100 / n, each = width * 0.86 / series.length;
  const plot = svg('svg', { class: 'columns', viewBox: '0 0 100 40', preserveAspectRatio: 'none', role: 'img', 'aria-label': label });
  for (let i = 0; i < n; i++) {
    const group = svg('g', {}, svg('title', {}, names[i] + ': ' + series.map(s => `${s.label} ${text(s.values[i])}`).join(', ')), svg('rect', { class: 'hit', x: i * width, y: 0, width, height: 40 }));
    series.forEach((s, k) => group.append(svg('rect', { class: 'fill-' + s.color, x: i * width + width * 0.07 + k * each, y: 40 - s.values[i] / most * 39, width: each, height: s.values[i] / most * 39 })));
    plot.append(group);
  }
  return h('div', { class: 'columns-box' }, h('span', { class: 'soft top num' }, text(most)), plot, h('div', { class: 'ticks soft num' }, ticks.map(t => h('span', {}, t))), legend(series));
}
export const legend = series => h('ul', { class: 'legend' }, series.map(s => h('li', {}, h('span', { class: 'swatch fill-' + s.color }), s.label, s.text ? h('b', { class: 'num' }, s.text) : null)));

// Values by step: series [{label, color, points: [[step, value], ..]}].
export function lines(series, { label }) {
  const all = series.flatMap(s => s.points), xs = all.map(p => p[0]), ys = all.map(p => p[1]);
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)], W = 400, H = 130;
  const at = ([x, y]) => [x1 > x0 ? (x - x0) / (x1 - x0) * (W - 12) + 6 : W / 2, y1 > y0 ? H - 6 - (y - y0) / (y1 - y0) * (H - 12) : H / 2];
  const plot = svg('svg', { class: 'lines', viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label });
  for (const s of series) {
    const g = svg('g', { class: 'stroke-' + s.color }, svg('title', {}, s.label));
    if (s.points.length > 1) g.append(svg('path', { d: path(s.points.map(at)) }));
    if (s.points.length < 40) for (const p of s.points) g.append(svg('path', { class: 'point', d: path([at(p)]) + 'h0' }, svg('title', {}, `${s.label}: ${short(p[1])} at ${p[0]}`)));
    plot.append(g);
  }
  return h('div', { class: 'lines-box' }, h('span', { class: 'soft top num' }, short(y1)), plot, h('div', { class: 'ticks soft num' }, h('span', {}, short(y0)), h('span', {}, x1 > x0 ? `steps ${short(x0)} – ${short(x1)}` : `step ${short(x0)}`)));
}
