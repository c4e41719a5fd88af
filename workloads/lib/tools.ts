// What the agent can do here: count, look into one folder, reckon with dates.
// Each tool says what was wrong with its arguments, so that the model can mend
// its call.
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import type OpenAI from 'openai';
import { calculate } from './calculate.ts';

const MOST_BYTES = 64 * 1024;

interface Tool {
  says: string;
  /** the arguments, all of them needed, and what they mean */
  takes: Record<string, { type: 'string' | 'integer'; description: string; format?: 'date' }>;
  does(args: Record<string, any>, folder: string): string;
}

const date = { type: 'string', format: 'date', description: 'like 2026-01-31' } as const;

const tools: Record<string, Tool> = {
  calculator: {
    says: 'Calculate an arithmetic expression with + - * / % ^ and brackets',
    takes: { expression: { type: 'string', description: 'like (17 + 4) * 2' } },
    does: ({ expression }) => String(calculate(expression)),
  },
  list_files: {
    says: 'List the files of a folder',
    takes: { folder: { type: 'string', description: 'below the working folder, which is "."' } },
    does: ({ folder: path }, folder) => listFiles(within(folder, path)),
  },
  read_file: {
    says: 'Read a text file',
    takes: { path: { type: 'string', description: 'below the working folder' } },
    does: ({ path }, folder) => readFile(within(folder, path)),
  },
  date_after: {
    says: 'The date that is so many days after another one, and its weekday',
    takes: { date, days: { type: 'integer', description: 'how many days later; negative: earlier' } },
    does: ({ date, days }) => {
      const found = new Date(dayOf(date) + days * DAY_MS);
      if (!(found.getUTCFullYear() <= 9999 && found.getUTCFullYear() >= 0)) throw new Error(`${days} days are too many`);
      const weekday = found.toLocaleDateString('en', { weekday: 'long', timeZone: 'UTC' });
      return `${found.toISOString().slice(0, 10)}, a ${weekday}`;
    },
  },
  days_between: {
    says: 'Count the days from one date to another',
    takes: { from: date, to: date },
    does: ({ from, to }) => String((dayOf(to) - dayOf(from)) / DAY_MS),
  },
};

const DAY_MS = 24 * 60 * 60 * 1000;

function dayOf(text: string): number {
  const day = Date.parse(`${text}T00:00:00Z`);
  if (!/^\d{4}-\d\d-\d\d$/.test(text) || Number.isNaN(day) || !new Date(day).toISOString().startsWith(text))
    throw new Error(`"${text}" is no date; write it like 2026-01-31`);
  return day;
}

/** The real path, which must not lead out of the folder, links included. */
function within(folder: string, path: string): string {
  const home = realpathSync(folder);
  const inside = (found: string) => {
    if (found !== home && !found.startsWith(home.endsWith(sep) ? home : home + sep))
      throw new Error(`${path} is outside of the working folder`);
    return found;
  };
  // first as it is written: what is outside is not even looked for
  const written = inside(resolve(home, path));
  if (!existsSync(written)) throw new Error(`there is no ${path}`);
  return inside(realpathSync(written));
}

function listFiles(path: string): string {
  if (!statSync(path).isDirectory()) throw new Error('that is a file; read_file reads it');
  const names = readdirSync(path, { withFileTypes: true })
    .map((entry) => entry.name + (entry.isDirectory() ? '/' : ''))
    .sort();
  return names.length === 0 ? '(empty)' : names.join('\n');
}

function readFile(path: string): string {
  const found = statSync(path);
  if (!found.isFile()) throw new Error('that is no file; list_files lists a folder');
  if (found.size > MOST_BYTES) throw new Error(`it has ${found.size} bytes; ${MOST_BYTES} are the most`);
  return readFileSync(path, 'utf8');
}

/** As the model is told of them. */
export const offered: OpenAI.ChatCompletionFunctionTool[] = Object.entries(tools).map(([name, { says, takes }]) => ({
  type: 'function',
  function: {
    name,
    description: says,
    parameters: {
      type: 'object',
      properties: takes,
      required: Object.keys(takes),
      additionalProperties: false,
    },
  },
}));

function checked(tool: Tool, json: string): Record<string, unknown> {
  let args: any;
  try {
    args = JSON.parse(json);
  } catch {
    throw new Error('the arguments are no JSON');
  }
  for (const [name, { type }] of Object.entries(tool.takes)) {
    const isRight = type === 'string' ? typeof args?.[name] === 'string' : Number.isInteger(args?.[name]);
    if (!isRight) throw new Error(`"${name}" must be ${type === 'string' ? 'a text' : 'a whole number'}`);
  }
  return args;
}

/** Never throws: what went wrong is a result, too. */
export function use(name: string, json: string, folder: string): string {
  try {
    const tool = Object.hasOwn(tools, name) ? tools[name]! : undefined;
    if (tool === undefined) throw new Error(`there is no tool ${name}; there are ${Object.keys(tools).join(', ')}`);
    return tool.does(checked(tool, json), folder);
  } catch (error) {
    // a path of this machine is nobody's business
    return `error: ${(error as Error).message.replaceAll(`${realpathSync(folder)}${sep}`, '')}`;
  }
}
