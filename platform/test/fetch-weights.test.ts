// The copy of the weights, by the system's shell, from a folder that stands
// for S3: only what SHA256SUMS names comes, and only if it is what it says.
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Ran, run } from './apiserver.ts';
import { chartNamed, only, render } from './charts.ts';

/** `aws s3 cp` and `aws s3 sync --exclude '*' --include NAME ...`, of folders. */
const aws = `#!/bin/sh
set -eu
echo "$@" >>"$S3_LOG"
[ "$1" = s3 ] || exit 0
from=$S3_ROOT/\${3#s3://}
to=$4
case $2 in
cp) cp "$from" "$to" ;;
sync)
    shift 4
    while [ $# -gt 0 ]; do
        if [ "$1" = --include ]; then
            shift
            mkdir -p "$(dirname "$to/$1")"
            cp "$from/$1" "$to/$1" 2>/dev/null || :
        fi
        shift
    done
    ;;
esac
`;

let root: string;
const s3 = (name: string) => join(root, 's3/example-models/qwen', name);
const models = () => join(root, 'models');
const sum = (text: string) => createHash('sha256').update(text).digest('hex');

function put(name: string, text: string): void {
  mkdirSync(dirname(s3(name)), { recursive: true });
  writeFileSync(s3(name), text);
}

const weights: Record<string, string> = { 'config.json': '{}', 'model-1.safetensors': 'one', 'sub/tokenizer.json': 'words' };
const sumsOf = (files: Record<string, string>) =>
  Object.entries(files).map(([name, text]) => `${sum(text)}  ${name}\n`).join('');

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'weights-'));
  mkdirSync(join(root, 'bin'));
  writeFileSync(join(root, 'bin/aws'), aws);
  chmodSync(join(root, 'bin/aws'), 0o755);
  for (const [name, text] of Object.entries(weights)) put(name, text);
  put('SHA256SUMS', sumsOf(weights));
});
afterEach(() => rmSync(root, { recursive: true }));

/** The script as the ConfigMap has it, with the container's environment. */
async function fetchWeights(more: Record<string, string> = {}): Promise<Ran> {
  const { objects } = await render(chartNamed('vllm'), undefined, [
    'weights.bucket="example-models"',
    'models.chat.weights={"prefix":"qwen"}',
  ]);
  const script = join(root, 'fetch.sh');
  writeFileSync(script, only(objects, 'ConfigMap').data['fetch-weights.sh']);
  const [container] = only(objects, 'Deployment').spec.template.spec.initContainers;
  expect(container.command.slice(0, 1)).toEqual(['/bin/sh']);
  const env = Object.fromEntries(container.env.map(({ name, value }: any) => [name, value]));
  return run('/bin/sh', [script], '', {
    ...env,
    PATH: `${join(root, 'bin')}:${process.env.PATH}`,
    S3_ROOT: join(root, 's3'),
    S3_LOG: join(root, 'log'),
    TARGET: models(),
    HOME: join(root, 'home'),
    ...more,
  });
}

test('all files of the list are there, and checked', async () => {
  const { code, out, err } = await fetchWeights();
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/3 files, .* checked/);
  expect(readdirSync(models(), { recursive: true }).sort()).toEqual(['config.json', 'model-1.safetensors', 'sub', 'sub/tokenizer.json']);
});

test('the list may be one that sha256sum wrote in its other forms', async () => {
  put('SHA256SUMS', `${sum('{}')} *config.json\n${sum('one')}  ./model-1.safetensors\n`);
  expect((await fetchWeights()).code).toBe(0);
});

test('a file that the list does not name is not even copied', async () => {
  put('modeling.py', 'import os');
  expect((await fetchWeights()).code).toBe(0);
  expect(existsSync(join(models(), 'modeling.py'))).toBe(false);
});

test('a pinned list is taken', async () => {
  expect((await fetchWeights({ MANIFEST_SHA256: sum(sumsOf(weights)) })).code).toBe(0);
});

test.each<[string, () => Record<string, string> | void, RegExp]>([
  ['a file that was changed', () => put('config.json', '{"evil":1}'), /not what SHA256SUMS says/],
  ['a file that is missing', () => rmSync(s3('config.json')), /not what SHA256SUMS says/],
  ['no list', () => rmSync(s3('SHA256SUMS')), /no SHA256SUMS/],
  ['an empty list', () => put('SHA256SUMS', ''), /empty/],
  ['a list of another form', () => put('SHA256SUMS', 'config.json\n'), /none of sha256sum's/],
  ['a list that leads out of the folder', () => put('SHA256SUMS', `${sum('x')}  ../other/file\n`), /no plain file/],
  ['a list that names a path from the root', () => put('SHA256SUMS', `${sum('x')}  /etc/passwd\n`), /no plain file/],
  ['a list with a pattern', () => put('SHA256SUMS', `${sum('x')}  sub/*.py\n`), /no plain file/],
  ['another list than the pinned one', () => ({ MANIFEST_SHA256: sum('another') }), /not the one that was pinned/],
])('it refuses %s', async (_, spoil, says) => {
  const { code, err } = await fetchWeights(spoil() ?? {});
  expect(code).toBe(1);
  expect(err).toMatch(says);
});
