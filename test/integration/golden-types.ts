// Are the golden outputs valid for the SDKs' own types?  Each becomes a constant
// of the type in a file that the compiler reads: a member that is missing,
// misspelt or of another type is an error there.
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const golden = here('../golden');

/** What the `expected` of a folder's cases is. */
export interface Kind {
  type: string;
  /** Members beside those of the type, each on purpose: wherever they are, or
   * `in:member` where the type or object of what has it is `in`. */
  beside: string[];
  /** Of a list each element; of a refused request or a failed stream its error. */
  error: string;
  /** Members that the SDK's type needs and that the cases do not tell. */
  echo?: Record<string, unknown>;
}

const openaiError = '{ error: OpenAI.ErrorObject }';
/** The API documents two kinds that the SDK's type lacks. */
const bareError =
  "{ type: 'error'; error: Anthropic.ErrorObject | { type: 'conflict_error' | 'request_too_large'; message: string } }";
const anthropicError = `${bareError} & { request_id: string | null }`;

const vllm = ['reasoning', 'reasoning_content', 'stop_reason', 'thinking_blocks'];

export const completion: Kind = { type: 'OpenAI.ChatCompletion', beside: vllm, error: openaiError };
export const chunk: Kind = { type: 'OpenAI.ChatCompletionChunk', beside: vllm, error: openaiError };
export const message: Kind = { type: 'Anthropic.Message', beside: [], error: anthropicError };
export const messageEvent: Kind = {
  type: 'Anthropic.RawMessageStreamEvent',
  beside: [],
  error: bareError,
};

const echo = {
  access_programs: null,
  created_at: 1,
  error: null,
  incomplete_details: null,
  instructions: null,
  metadata: null,
  model: 'smart',
  output_text: '',
  parallel_tool_calls: true,
  temperature: null,
  tool_choice: 'auto',
  tools: [],
  top_p: null,
};
/** The API has them, the types of its answers do not. */
const besideResponses = [
  'response:store', 'custom_tool_call:status', 'response.function_call_arguments.done:name',
];
export const response: Kind = {
  type: 'OpenAI.Responses.Response',
  beside: besideResponses,
  error: openaiError,
  echo,
};
export const responseEvent: Kind = {
  type: 'OpenAI.Responses.ResponseStreamEvent',
  beside: besideResponses,
  error: openaiError,
  echo,
};

/** The newest types leave out what only models before them take. */
export const toAnthropic: Kind = {
  type: 'Anthropic.MessageCreateParams',
  beside: ['temperature', 'top_k', 'top_p'],
  error: openaiError,
};
export const toVllm: Kind = {
  type: 'OpenAI.ChatCompletionCreateParams',
  beside: ['top_k', 'continuous_usage_stats', 'reasoning_content'],
  error: openaiError,
};
/** Who speaks Messages is refused in its words. */
export const fromMessages = (kind: Kind): Kind => ({ ...kind, error: anthropicError });
export const chatError: Kind = { type: openaiError, beside: ['details'], error: openaiError };
export const messagesError: Kind = { type: anthropicError, beside: ['details'], error: anthropicError };

export interface Value {
  folder: string;
  /** The file, and for one of a list its number. */
  name: string;
  type: string;
  value: unknown;
}

export function foldersOfGolden(): string[] {
  return readdirSync(golden).sort();
}

function without(value: unknown, names: string[]): unknown {
  if (Array.isArray(value)) return value.map((one) => without(one, names));
  if (typeof value !== 'object' || value === null) return value;
  const { type, object } = value as { type?: unknown; object?: unknown };
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !names.includes(name) && !names.includes(`${type ?? object}:${name}`))
      .map(([name, one]) => [name, without(one, names)]),
  );
}

/** A response, or an event that carries one, with what the SDK needs beside. */
function completed(value: any, more: Record<string, unknown> | undefined): unknown {
  if (more === undefined) return value;
  if (value.response !== undefined) return { ...value, response: completed(value.response, more) };
  if (value.object !== 'response') return value;
  // until it is known usage is null on the wire, and absent for the SDK
  return { ...more, ...value, usage: value.usage ?? undefined };
}

/** An error stands alone, in a refused request, or with the status of its answer. */
function errorIn(value: any): unknown {
  const body = value.error?.body ?? value.body;
  if (body !== undefined) return body;
  const isBare = value.error !== undefined && value.object === undefined;
  return isBare ? value : undefined;
}

/** All that the cases of a folder expect. */
export function valuesOf(folder: string, kind: Kind): Value[] {
  return readdirSync(join(golden, folder)).flatMap((file) => {
    const { expected } = JSON.parse(readFileSync(join(golden, folder, file), 'utf8'));
    const all: any[] = Array.isArray(expected) ? expected : [expected];
    return all
      .filter((one) => typeof one === 'object') // not [DONE]
      .map((one, i) => {
        const error = errorIn(one);
        return {
          folder,
          name: Array.isArray(expected) ? `${file} [${i}]` : file,
          type: error === undefined ? kind.type : kind.error,
          value: without(error ?? completed(one, kind.echo), kind.beside),
        };
      });
  });
}

/** One line: these two end one for the compiler, and not for JSON. */
function literal(value: unknown): string {
  return JSON.stringify(value).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}

/** What the compiler says against each value; nothing where it is content. */
export async function complaints(values: Value[]): Promise<Map<Value, string>> {
  // inside node_modules: the SDKs are found from there, and git does not look
  const folder = here('node_modules/.golden-types');
  const head = ["import OpenAI from 'openai';", "import Anthropic from '@anthropic-ai/sdk';"];
  const lines = values.map(
    ({ type, value }, i) => `export const v${i}: ${type} = ${literal(value)};`,
  );
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'values.ts'), [...head, ...lines, ''].join('\n'));
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'es2023', module: 'nodenext', strict: true, skipLibCheck: true, noEmit: true, types: [],
      },
      files: ['values.ts'],
    }),
  );
  const said = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      [here('node_modules/typescript/bin/tsc'), '--pretty', 'false', '-p', folder],
      { maxBuffer: 64 * 1024 * 1024 },
      (_, stdout, stderr) => resolve(stdout + stderr),
    );
  });
  const found = new Map<Value, string>();
  for (const part of said.split(/\n(?=\S)/)) {
    const line = /^\S*values\.ts\((\d+),/.exec(part);
    const value = line === null ? undefined : values[Number(line[1]) - head.length - 1];
    if (value !== undefined) found.set(value, `${found.get(value) ?? ''}${part}\n`);
    else if (part.trim() !== '') throw new Error(`the compiler: ${said.slice(0, 2000)}`);
  }
  return found;
}
