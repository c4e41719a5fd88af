// The table of values in the README of a chart, made from the comments of its
// values.yaml: those that begin with "--".
//
//   node platform/test/readme.ts CHART_FOLDER...     writes it
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, isScalar, parseDocument, type Pair, type YAMLMap } from 'yaml';

export interface Value {
  path: string;
  text: string;
  otherwise: string;
}

const begin = '<!-- values: made from values.yaml -->';
const end = '<!-- end of values -->';

/** What the comments say of each value; one without a comment belongs to the one above it. */
export function valuesIn(text: string): Value[] {
  const document = parseDocument(text);
  return below(document.contents as YAMLMap, '', document.commentBefore ?? '');
}

function below(map: YAMLMap, prefix: string, head: string): Value[] {
  return map.items.flatMap((pair, position) => {
    const { key, value } = pair as Pair<any, any>;
    const path = prefix + key.value;
    // the comment before the first of a map's members belongs to the map
    const comment = (key.commentBefore ?? (position === 0 ? (map.commentBefore ?? head) : '')) as string;
    const said = /^ ?-- (.*)$/s.exec(comment.split('\n').filter((line) => line.trim().startsWith('--')).at(-1)?.trim() ?? '');
    if (said) return [{ path, text: said[1]!, otherwise: JSON.stringify(isScalar(value) ? value.value : value.toJSON()) }];
    return isMap(value) ? below(value, `${path}.`, '') : [];
  });
}

export function tableOf(values: Value[]): string {
  const rows = values.map(({ path, text, otherwise }) => {
    const shown = otherwise.length > 60 ? 'see values.yaml' : `\`${otherwise}\``;
    return `| \`${path}\` | ${shown} | ${text.replaceAll('|', '\\|')} |`;
  });
  return ['| value | default | |', '|---|---|---|', ...rows].join('\n');
}

/** The README with the table that belongs into it. */
export function renewed(folder: string): { is: string; should: string } {
  const is = readFileSync(join(folder, 'README.md'), 'utf8');
  const table = tableOf(valuesIn(readFileSync(join(folder, 'values.yaml'), 'utf8')));
  const [before, rest] = is.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error(`README.md of ${folder} has no place for a table:\n${begin}\n${end}`);
  return { is, should: `${before}${begin}\n${table}\n${end}${after}` };
}

if (import.meta.main)
  for (const folder of process.argv.slice(2)) writeFileSync(join(folder, 'README.md'), renewed(folder).should);
