// Numbers and times as people read them. All take what JSON gives; null, undefined and NaN become a dash.
const missing = v => v === null || v === undefined || Number.isNaN(v);
const DASH = '–';

export const count = n => missing(n) ? DASH : Math.round(n).toLocaleString('en-US');

// 3 digits: 0.00123, 1.23, 12.3, 1,230, 1.2M
export function short(n) {
  if (missing(n)) return DASH;
  const a = Math.abs(n);
  for (const [size, unit] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e4, 'k']]) if (a >= size) return +(n / (unit === 'k' ? 1e3 : size)).toPrecision(3) + unit;
  return a >= 1000 ? Math.round(n).toLocaleString('en-US') : String(+Number(n).toPrecision(3));
}

export function bytes(n) {
  if (missing(n)) return DASH;
  for (const [size, unit] of [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']]) if (Math.abs(n) >= size) return +(n / size).toPrecision(3) + ' ' + unit;
  return Math.round(n) + ' B';
}

// From microseconds: 85 µs, 1.23 ms, 2.5 s
export function micros(us) {
  if (missing(us)) return DASH;
  if (us < 1000) return +Number(us).toPrecision(3) + ' µs';
  return us < 1e6 ? +(us / 1e3).toPrecision(3) + ' ms' : +(us / 1e6).toPrecision(3) + ' s';
}
export const seconds = s => missing(s) ? DASH : micros(s * 1e6);

export const percent = part => missing(part) ? DASH : +(part * 100).toPrecision(3) + ' %';

// From milliseconds of a span: 45 s, 12 min, 3 h, 5 d
export function span(ms) {
  if (missing(ms)) return DASH;
  for (const [size, unit] of [[86400e3, 'd'], [3600e3, 'h'], [60e3, 'min'], [1e3, 's']]) if (Math.abs(ms) >= size) return +(ms / size).toPrecision(2) + ' ' + unit;
  return Math.round(ms) + ' ms';
}
export const ago = ms => missing(ms) ? DASH : span(Math.max(0, Date.now() - ms)) + ' ago';

const two = n => String(n).padStart(2, '0');
export const clock = ms => { const d = new Date(ms); return missing(ms) || Number.isNaN(+d) ? DASH : `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`; };
export const millis = ms => missing(ms) ? DASH : clock(ms) + '.' + String(new Date(ms).getMilliseconds()).padStart(3, '0');
export const day = ms => { const d = new Date(ms); return missing(ms) || Number.isNaN(+d) ? DASH : `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`; };
export const moment = ms => missing(ms) ? DASH : day(ms) + ' ' + clock(ms);

// Any value of a document in one line.
export const value = v => v === null || v === undefined ? DASH : typeof v === 'object' ? JSON.stringify(v) : String(v);

// {species: "setosa"} → setosa; {a: 1, b: 2} → a 1, b 2
export function answer(prediction) {
  if (!prediction || typeof prediction !== 'object') return value(prediction);
  const parts = Object.entries(prediction);
  return parts.length === 1 ? value(parts[0][1]) : parts.map(([k, v]) => k + ' ' + value(v)).join(', ');
}
