// No secret is in a template: templates, and what Lambda functions are told,
// can be read by many and are kept for long.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { configWith, stacksOf, turned } from './synth.ts';
import shipped from '../weir.config.ts';

/** What secrets look like, and words that people leave behind. */
const patterns: [string, RegExp][] = [
  ['a key of Anthropic', /sk-ant-[A-Za-z0-9]/],
  ['a key of OpenAI', /sk-(proj-)?[A-Za-z0-9]{20}/],
  ['a key of Langfuse', /[ps]k-lf-[A-Za-z0-9]{8}/],
  ['an access key of AWS', /A(KI|SI)A[A-Z0-9]{16}/],
  ['a private key', /-----BEGIN [A-Z ]*PRIVATE KEY/],
  ['a token of GitHub', /gh[pousr]_[A-Za-z0-9]{20}/],
  ['a bearer token', /[Bb]earer [A-Za-z0-9._-]{16}/],
  ['credentials in an address', /[a-z]+:\/\/[^\s:/"@$<{]+:[^\s@/"$<{]+@/],
  ['a default password', /changeme|hunter2|letmein|password123|"prom-operator"/i],
  ['a password that is written down', /"[A-Za-z]*[Pp]assword\\?": ?\\?"[^"\\{$<]{3,}/],
];

/** What is told of a password that is not one: its name, its key, its length. */
const names =
  /"(existing|user|admin)?[Pp]assword(Secret|Key|Length)[A-Za-z]*\\?"|userPasswordKey|existingSecretPasswordKey/;

function templates(config: typeof shipped): [string, string][] {
  const { directory } = stacksOf(config).app.synth();
  return readdirSync(directory)
    .filter((name) => name.endsWith('.template.json'))
    .map((name) => [name, readFileSync(join(directory, name), 'utf8')]);
}

const files = [
  shipped,
  turned,
  configWith({ observability: { langfuse: { database: 'rds' } } }),
].flatMap(templates);

describe('in the templates of seven stacks there is not', () => {
  test.each(patterns)('%s', (_, pattern) => {
    expect(files.length).toBe(21);
    for (const [name, text] of files) {
      const lines = text.split('\n').filter((line) => !names.test(line));
      for (const line of lines) expect(pattern.exec(line)?.[0], name).toBeUndefined();
    }
  });
});

test('every secret is made by Secrets Manager, and none has a text', () => {
  const secrets = files.flatMap(([, text]) =>
    Object.values(JSON.parse(text).Resources as Record<string, any>).filter(
      ({ Type }) => Type === 'AWS::SecretsManager::Secret',
    ),
  );
  expect(secrets.length).toBeGreaterThan(5);
  for (const { Properties } of secrets) {
    expect(Properties).not.toHaveProperty('SecretString');
    expect(Properties.Name).toMatch(/^hybrid-llm\//);
  }
});

test('the patterns find what they are for', () => {
  const examples = [
    'sk-ant-api03',
    `sk-${'a'.repeat(20)}`,
    'sk-lf-0123abcd',
    `AKIA${'A'.repeat(16)}`,
    '-----BEGIN RSA PRIVATE KEY',
    `ghp_${'a'.repeat(20)}`,
    `Bearer ${'a'.repeat(16)}`,
    'postgres://me:mine@host',
    'changeme',
    '"adminPassword": "secret"',
  ];
  patterns.forEach(([what, pattern], index) => expect(examples[index], what).toMatch(pattern));
});
