/* docs/translation.md knows every field that the official SDKs can send. */
import { execFileSync } from 'node:child_process';

import { expect, test } from 'vitest';

import { weir } from './harness.ts';
import { readRequestTypes, type RequestObject } from './request-fields.ts';

interface Row {
  path: string;
  fates: string[];
}

const titles: Record<string, string> = {
  chat: 'Chat Completions',
  messages: 'Messages',
  responses: 'Responses',
};

/* The types, by the place where they stand, that have a place in the common
 * form: their members need rows of their own.  All others are the row's that
 * ends with their name or with a star. */
const understood: Record<string, string[]> = {
  'chat messages[].content[]': ['text', 'refusal', 'image_url', 'input_audio', 'file'],
  'chat messages[].tool_calls[]': ['function', 'custom'],
  'chat tools[]': ['function', 'custom'],
  'messages messages[].content[]': ['text', 'image', 'document', 'thinking', 'tool_use', 'tool_result'],
  'messages messages[].content[].content[]': ['text', 'image', 'document'],
  'messages tools[]': ['custom'],
  'responses tool_choice': ['function', 'custom', 'allowed_tools'],
  'responses tools[]': ['function', 'custom', 'namespace', 'tool_search'],
  'responses input[]': [
    'message',
    'reasoning',
    'function_call',
    'custom_tool_call',
    'function_call_output',
    'custom_tool_call_output',
    'tool_search_call',
    'tool_search_output',
  ],
  'responses input[].content[]': ['input_text', 'output_text', 'refusal', 'input_image', 'input_file'],
  'responses input[].output[]': ['input_text', 'input_image', 'input_file'],
};

function readRows(): Map<string, Map<string, Row>> {
  const text = execFileSync(weir, ['fields', '--markdown'], { encoding: 'utf8' });
  const formats = new Map<string, Map<string, Row>>();

  for (const [format, title] of Object.entries(titles)) {
    const section = text.split(`### ${title}\n`)[1]?.split('\n### ')[0] ?? '';
    const rows = new Map<string, Row>();

    for (const line of section.split('\n')) {
      const [, path, ...fates] = /^\| `([^`]+)` \| (\S+?):? .*?\| (\S+?):? .*\|$/.exec(line) ?? [];

      if (path !== undefined) rows.set(path, { path, fates });
    }
    formats.set(format, rows);
  }
  return formats;
}

/* All that is below such a field shares its fate. */
function isWhole(row: Row | undefined): boolean {
  return row !== undefined && row.fates.every((fate) => fate !== 'becomes' && fate !== 'loosens');
}

function missingRows(format: string, rows: Map<string, Row>, object: RequestObject): string[] {
  const missing: string[] = [];
  const visit = ({ path: place, kinds, members }: RequestObject): void => {
    // those of a namespace, and those that a search has found
    const path = place.replace(/^(input\[\]\.)?tools\[\](\.tools\[\])?/, 'tools[]');
    const known = understood[`${format} ${path}`];

    if (known !== undefined && kinds.length > 0 && !kinds.some((kind) => known.includes(kind))) {
      for (const kind of kinds)
        if (!rows.has(`${path}.${kind}`) && !rows.has(`${path}.*`) && !rows.has(`${path}.type`))
          missing.push(`${path}.${kind}`);
      return;
    }
    for (const [name, below] of members) {
      const here = path === '' ? name : `${path}.${name}`;
      const row = rows.get(here);

      if (name === 'type') continue; // says what the object is
      if (row === undefined) missing.push([here, ...kinds].join(' '));
      /* a schema is one value */
      if (row !== undefined && !isWhole(row) && name !== 'input_schema') below.forEach(visit);
    }
  };

  visit(object);
  return [...new Set(missing)];
}

test('every field of the SDKs types has a row', { timeout: 60_000 }, () => {
  const types = readRequestTypes();
  const formats = readRows();

  expect([...types.keys()].sort()).toEqual(['chat', 'messages', 'responses']);
  for (const [format, object] of types) {
    const rows = formats.get(format);

    expect(rows?.size, format).toBeGreaterThan(50);
    expect(missingRows(format, rows!, object), format).toEqual([]);
  }
});
