// What the programs here have in common as commands: options, --help, input,
// progress, and how they end.
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { Problem, Usage } from './problem.ts';
import { explain } from './router.ts';

type Values = Record<string, string | boolean | undefined>;

export interface Command {
  name: string;
  help: string;
  options: ParseArgsOptionsConfig;
  /** Returns the exit status. */
  run(args: string[], values: Values): Promise<number>;
}

const COMMON: ParseArgsOptionsConfig = {
  help: { type: 'boolean', short: 'h' },
  retries: { type: 'string', default: '0' },
};

const COMMON_HELP = `  --retries N     try again so often where the router says when (0)
  -h, --help      this text

Environment: ROUTER_URL (http://127.0.0.1:8080/v1), ROUTER_API_KEY.
Exit status: 0 all went well, 1 something failed, 2 the command line is wrong.
`;

/** Progress: not for those who read the output by a program. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function wholeNumber(values: Values, name: string, least: number, most: number): number {
  const value = String(values[name]);
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < least || number > most)
    throw new Usage(`--${name}: read "${value}", expected a whole number from ${least} to ${most}`);
  return number;
}

/** A file's text, or that of the standard input for "-". */
export async function readInput(path: string): Promise<string> {
  const name = path === '-' ? 'the standard input' : path;
  const found = await read(path).catch((error: NodeJS.ErrnoException) => {
    throw new Problem(`cannot read ${name}: ${reasons[error.code ?? ''] ?? error.message}`);
  });
  if (found.trim() === '') throw new Problem(`${name} is empty`);
  return found;
}

const reasons: Record<string, string> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'it may not be read',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'it is not text in UTF-8',
};

async function read(path: string): Promise<string> {
  if (path === '-') return text(process.stdin);
  return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
}

/** What to work on: the arguments, else --file, else what is built in. */
export async function textOf(args: string[], values: Values, builtIn: string): Promise<string> {
  if (args.length > 0 && values.file !== undefined) throw new Usage('either arguments or --file, not both');
  if (args.length > 0) return args.join(' ');
  return values.file === undefined ? builtIn : (await readInput(String(values.file))).trim();
}

export const FILE: ParseArgsOptionsConfig = { file: { type: 'string', short: 'f' } };

/** `name: what is wrong`, a second line and more indented. */
function complain(name: string, words: string): void {
  process.stderr.write(`${name}: ${words.replaceAll('\n', '\n  ')}\n`);
}

function parse(command: Command): { values: Values; positionals: string[] } {
  const options = { ...COMMON, ...command.options };
  try {
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    return { values: values as Values, positionals };
  } catch (error) {
    throw new Usage((error as Error).message);
  }
}

async function statusOf(command: Command): Promise<number> {
  const { values, positionals } = parse(command);
  if (values.help) {
    process.stdout.write(`${command.help.trim()}\n${COMMON_HELP}`);
    return 0;
  }
  wholeNumber(values, 'retries', 0, 100);
  return command.run(positionals, values);
}

/** Runs it and ends the process with its status. */
export async function main(command: Command): Promise<void> {
  // who reads the output may stop before its end, as head(1) does
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  try {
    process.exitCode = await statusOf(command);
  } catch (error) {
    const isUsage = error instanceof Usage;
    complain(command.name, explain(error) + (isUsage ? `\ntry: node ${command.name}.ts --help` : ''));
    process.exitCode = isUsage ? 2 : 1;
  }
}
