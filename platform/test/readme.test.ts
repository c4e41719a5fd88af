import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { chartNamed } from './charts.ts';
import { renewed, tableOf, valuesIn } from './readme.ts';
import { parse } from 'yaml';

const { folder } = chartNamed('weir');
const text = readFileSync(join(folder, 'values.yaml'), 'utf8');

test('the README’s table is fresh (node platform/test/readme.ts platform/helm/weir)', () => {
  const { is, should } = renewed(folder);
  expect(is).toBe(should);
});

test('every value has a comment, or stands in one that has', () => {
  const leaves = (value: any, path: string): string[] =>
    value && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 0
      ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, path ? `${path}.${key}` : key))
      : [path];
  const told = valuesIn(text).map(({ path }) => path);
  const untold = leaves(parse(text), '').filter(
    (leaf) => !told.some((path) => leaf === path || leaf.startsWith(`${path}.`)),
  );
  expect(untold).toEqual([]);
});

test('a table has a row for each comment', () => {
  const values = valuesIn('# all\n\na:\n  # -- One | two.\n  b: 1\n  # not this\n  c: {}\n# -- Both.\nd:\n  e: [x]\n');
  expect(values).toEqual([
    { path: 'a.b', text: 'One | two.', otherwise: '1' },
    { path: 'd', text: 'Both.', otherwise: '{"e":["x"]}' },
  ]);
  expect(tableOf(values)).toContain('| `a.b` | `1` | One \\| two. |');
});
