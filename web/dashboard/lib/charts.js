// Charts on Debian's Chart.js (global `Chart`). Colours come from the page's custom properties, so both themes and contrast
// are decided in style.css; text is painted on the canvas, so nothing from data can become markup.
import { h, clear } from './dom.js';
import { short, moment, day } from './format.js';
import { empty } from './ui.js';

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// Series colours by name: c1 ... c6, good, bad, warn, soft, mark.
export const color = name => css('--' + name);
const faded = c => c + '30';

const charts = new Set();
new MutationObserver(() => { for (const c of charts) c.draw(true); }).observe(document.documentElement, { attributeFilter: ['data-theme'] });

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800].map(s => s * 1000);
function timeTicks(min, max, most) {
  const step = STEPS.find(s => (max - min) / s <= most) ?? Math.ceil((max - min) / most / 86400e3) * 86400e3;
  const zone = new Date(min).getTimezoneOffset() * 60e3, ticks = [];
  for (let t = Math.ceil((min - zone) / step) * step + zone; t <= max; t += step) ticks.push({ value: t });
  return ticks;
}
const two = n => String(n).padStart(2, '0');
function timeLabel(ms, span) {
  const d = new Date(ms), hm = two(d.getHours()) + ':' + two(d.getMinutes());
  if (span > 3 * 86400e3 || (span > 6 * 3600e3 && d.getHours() + d.getMinutes() === 0)) return day(ms).slice(5);
  return span < 10 * 60e3 ? hm + ':' + two(d.getSeconds()) : hm;
}

// Selecting a part of the time axis with the pointer; chart() is the one on the canvas now.
function brush(canvas, chart, onBrush) {
  const at = e => {
    const { left, right } = chart().chartArea;
    return Math.max(left, Math.min(right, e.clientX - canvas.getBoundingClientRect().left));
  };
  const mark = part => { chart().$brush = part; chart().draw(); };
  let from = null;
  canvas.classList.add('brushable');
  canvas.addEventListener('pointerdown', e => { if (e.button === 0) { from = at(e); canvas.setPointerCapture(e.pointerId); } });
  canvas.addEventListener('pointermove', e => { if (from !== null) mark([from, at(e)]); });
  const end = e => {
    if (from === null) return;
    const [a, b] = [from, at(e)].sort((x, y) => x - y), x = chart().scales.x;
    from = null;
    mark(null);
    if (e.type === 'pointerup' && b - a > 4) onBrush(x.getValueForPixel(a), x.getValueForPixel(b));
  };
  canvas.addEventListener('pointerup', end);
  canvas.addEventListener('pointercancel', end);
}
const brushPlugin = {
  id: 'brush',
  afterDraw(chart) {
    if (!chart.$brush) return;
    const [a, b] = chart.$brush, { top, bottom } = chart.chartArea;
    chart.ctx.save();
    chart.ctx.fillStyle = faded(color('mark'));
    chart.ctx.fillRect(Math.min(a, b), top, Math.abs(b - a), bottom - top);
    chart.ctx.restore();
  },
};

function host(label, height) {
  const canvas = h('canvas', { role: 'img', 'aria-label': label }), legend = h('ul', { class: 'legend' }), box = h('div', { class: 'canvas', style: { height: height + 'px' } }, canvas);
  const nothing = h('div', { class: 'no-data', hidden: true });
  return { canvas, legend, nothing, box, root: h('div', { class: 'chart' }, box, nothing, legend) };
}

const showLegend = (list, items) => clear(list, items.map(i => h('li', {}, h('span', { class: 'swatch', style: { background: color(i.color) } }), i.label, i.text ? h('b', { class: 'num' }, i.text) : null)));

// Lines or bars over time.
// options: {type: 'line' | 'bar', stacked, height, format: number → text, label: what it shows, onBrush(from, to), min, max of y, empty: node when there is no point}
// Answers {root, update(series, {from, to}), destroy()}; series: [{label, color: 'c1', points: [[ms, number or null]], fill, dash, text, gaps: true → lines go on over null}].
export function timeChart(options = {}) {
  const { canvas, legend, nothing, box, root } = host(options.label ?? 'Chart over time', options.height ?? 180), format = options.format ?? short;
  let chart = null, series = [], range = { from: 0, to: 1 };

  const datasets = () => series.map(s => ({
    label: s.label, data: s.points.map(([x, y]) => ({ x, y })), borderColor: color(s.color), backgroundColor: options.type === 'bar' ? color(s.color) : faded(color(s.color)),
    fill: s.fill ? 'origin' : false, borderWidth: options.type === 'bar' ? 0 : 1.75, borderDash: s.dash ? [5, 4] : [], pointRadius: s.points.filter(p => p[1] !== null).length < 3 ? 2.5 : 0, pointHitRadius: 12,
    cubicInterpolationMode: 'monotone', spanGaps: !!s.gaps, stack: options.stacked ? 'all' : undefined, grouped: !options.stacked, barPercentage: 1, categoryPercentage: 0.9,
  }));
  const setup = () => ({
    type: options.type ?? 'line', data: { datasets: datasets() }, plugins: [brushPlugin],
    options: {
      animation: false, responsive: true, maintainAspectRatio: false, normalized: true, locale: 'en-US',
      interaction: { mode: 'index', intersect: false },
      layout: { padding: { top: 6, right: 4 } },
      scales: {
        x: {
          type: 'linear', min: range.from, max: range.to, offset: false, stacked: options.stacked, grid: { display: false }, border: { display: false },
          afterBuildTicks: axis => { axis.ticks = timeTicks(axis.min, axis.max, Math.max(2, Math.floor(axis.width / 80))); },
          ticks: { color: color('soft'), font: { size: 11 }, maxRotation: 0, autoSkip: false, callback: v => timeLabel(v, range.to - range.from) },
        },
        y: {
          beginAtZero: options.min === undefined, min: options.min, max: options.max, suggestedMax: options.suggestedMax, stacked: options.stacked, border: { display: false },
          grid: { color: color('grid'), drawTicks: false, drawBorder: false }, ticks: { color: color('soft'), font: { size: 11 }, maxTicksLimit: 5, padding: 6, callback: v => format(v) },
        },
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          backgroundColor: color('ink'), titleColor: color('paper'), bodyColor: color('paper'), padding: 8, boxPadding: 4, cornerRadius: 6,
          callbacks: { title: items => items.length ? moment(items[0].parsed.x) : '', label: i => ` ${i.dataset.label}: ${i.parsed.y === null ? '–' : format(i.parsed.y)}` },
        },
      },
    },
  });
  const self = {
    root,
    draw(themed = false) {
      if (!canvas.isConnected) return void requestAnimationFrame(() => canvas.isConnected && self.draw());
      const any = series.some(s => s.points.some(p => p[1] !== null && p[1] !== undefined));
      box.hidden = legend.hidden = !any;
      nothing.hidden = any;
      if (!any) return void clear(nothing, options.empty ?? empty('No data in this time range', 'Choose a longer range, or send predictions.'));
      showLegend(legend, series.length > 1 || options.legend ? series : []);
      if (!chart || themed) {
        chart?.destroy();
        Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
        chart = new Chart(canvas, setup());
        return;
      }
      chart.data.datasets = datasets();
      Object.assign(chart.options.scales.x, { min: range.from, max: range.to });
      chart.update('none');
    },
    update(newSeries, newRange) { series = newSeries; range = newRange; self.draw(); },
    destroy() { charts.delete(self); chart?.destroy(); chart = null; },
  };
  if (options.onBrush) brush(canvas, () => chart, options.onBrush);
  charts.add(self);
  return self;
}

// Parts of a whole. options: {label, height, format}. Answers {root, update([{label, value, color}]), destroy()}
export function doughnut(options = {}) {
  const { canvas, legend, nothing, box, root } = host(options.label ?? 'Parts of a whole', options.height ?? 160), format = options.format ?? short;
  root.classList.add('beside');
  let chart = null, items = [];
  const self = {
    root,
    draw(themed = false) {
      if (!canvas.isConnected) return void requestAnimationFrame(() => canvas.isConnected && self.draw());
      const total = items.reduce((n, i) => n + i.value, 0);
      box.hidden = legend.hidden = !total;
      nothing.hidden = !!total;
      if (!total) return void clear(nothing, options.empty ?? empty('No data in this time range', 'Choose a longer range, or send predictions.'));
      showLegend(legend, items.map((i, n) => ({ ...i, color: i.color ?? 'c' + (n % 6 + 1), text: format(i.value) })));
      const data = { labels: items.map(i => i.label), datasets: [{ data: items.map(i => i.value), backgroundColor: items.map((i, n) => color(i.color ?? 'c' + (n % 6 + 1))), borderColor: color('card'), borderWidth: 2 }] };
      if (!chart || themed) {
        chart?.destroy();
        chart = new Chart(canvas, { type: 'doughnut', data, options: { animation: false, responsive: true, maintainAspectRatio: false, cutout: '68%', plugins: { legend: { display: false }, tooltip: { callbacks: { label: i => ` ${i.label}: ${format(i.parsed)} (${(i.parsed / total * 100).toPrecision(3)} %)` } } } } });
      } else {
        chart.data = data;
        chart.update('none');
      }
    },
    update(list) { items = list; self.draw(); },
    destroy() { charts.delete(self); chart?.destroy(); chart = null; },
  };
  charts.add(self);
  return self;
}
