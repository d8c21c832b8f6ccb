// "Copy as" of a panel: what it asked for, as a command or a program that gives the same answer outside the page.
import { links } from './api.js';
import { copyText, iconButton, menu, toastError } from './ui.js';

const shell = s => "'" + s.replaceAll("'", "'\\''") + "'";
const python = v => v === null ? 'None' : v === true ? 'True' : v === false ? 'False' : Array.isArray(v) ? '[' + v.map(python).join(', ') + ']'
  : typeof v === 'object' ? '{' + Object.entries(v).map(([k, x]) => JSON.stringify(k) + ': ' + python(x)).join(', ') + '}' : JSON.stringify(v);

export const asCurl = (base, r) => `curl -s${r.method && r.method !== 'GET' ? ' -X ' + r.method : ''} ${shell(base + r.path)}` + (r.body === undefined ? '' : ` -H 'Content-Type: application/json' -d ${shell(JSON.stringify(r.body))}`);

export const asElastic = r => `${r.method ?? 'GET'} ${r.path}` + (r.body === undefined ? '' : '\n' + JSON.stringify(r.body, null, 2));

export function asPandas(base, r) {
  const lines = ['import pandas as pd, requests', '', `a = requests.request(${python(r.method ?? 'GET')}, ${python(base + r.path)}` + (r.body === undefined ? '' : `,\n    json=${python(r.body)}`) + ').json()'];
  const agg = r.body?.aggs && Object.keys(r.body.aggs)[0];
  if (r.target === 'search' && agg) lines.push(`df = pd.json_normalize(a["aggregations"][${python(agg)}].get("buckets", [a["aggregations"]]))`);
  else if (r.target === 'search') lines.push('df = pd.json_normalize([h["_source"] for h in a["hits"]["hits"]])');
  else lines.push('df = pd.json_normalize(a)');
  return lines.join('\n') + '\nprint(df)\n';
}

// request: () → {target: 'search' | 'registry' | 'serving' | 'dashboard', method, path, body} of the panel as it is shown now.
export function copyAs(request) {
  const b = iconButton('Copy this panel’s query as …', 'copy', () => {
    const item = (name, make) => [name, async () => {
      try {
        const r = request();
        await copyText(make(r.target === 'dashboard' ? location.origin : (await links())[r.target], r), 'Copied as ' + name);
      } catch (e) { toastError(e); }
    }];
    const items = [item('curl', asCurl)];
    if (request().target === 'search') items.push(item('Elasticsearch', (_, r) => asElastic(r)));
    items.push(item('pandas', asPandas));
    menu(b, items);
  }, { class: 'icon-button copy-as', 'aria-haspopup': 'menu' });
  return b;
}

// The request of api.search(index, body), for copyAs.
export const searchRequest = (index, body) => ({ target: 'search', method: 'POST', path: `/${index}/_search`, body });
