// Readers of what /metrics says, stricter than Prometheus itself: text format
// 0.0.4 and OpenMetrics 1.0.  What is against the rules throws.

export interface Exemplar {
  labels: Record<string, string>;
  value: number;
}

export interface Sample {
  name: string;
  labels: Record<string, string>;
  /** As it is spelled: sums of money must be exact. */
  spelled: string;
  value: number;
  exemplar?: Exemplar;
}

export interface Family {
  name: string;
  type: string;
  help: string;
  unit?: string;
  samples: Sample[];
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const number = /^(\d+(\.\d+)?(e[-+]?\d+)?|\+Inf|-Inf|NaN)$/;

function fail(line: string, why: string): never {
  throw new Error(`${why}: ${line}`);
}

/** `{name="value",…}` at the text's begin: the labels and how long they are. */
function readLabels(text: string, line: string): [Record<string, string>, number] {
  const labels: Record<string, string> = {};
  let at = 1;
  while (text[at] !== '}') {
    const [whole, name, value] =
      /^([^=]*)="((?:[^"\\]|\\[\\"n])*)"/.exec(text.slice(at)) ?? fail(line, 'bad labels');
    if (!labelName.test(name!)) fail(line, `bad label name ${name}`);
    if (name! in labels) fail(line, `label ${name} twice`);
    if (value === '') fail(line, `label ${name} is empty`);
    labels[name!] = value!.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    at += whole.length;
    if (text[at] === ',' && text[at + 1] !== '}') at++;
    else if (text[at] !== '}') fail(line, 'labels do not end');
  }
  if (at === 1) fail(line, 'no labels in the braces');
  return [labels, at + 1];
}

function readSample(line: string, mayHaveExemplar: boolean): Sample {
  const name = /^[^{ ]*/.exec(line)![0];
  if (!metricName.test(name)) fail(line, 'bad name');
  let rest = line.slice(name.length);
  let labels = {};
  if (rest.startsWith('{')) {
    const [found, length] = readLabels(rest, line);
    labels = found;
    rest = rest.slice(length);
  }
  const [value, exemplar] = rest.slice(1).split(' # ') as [string, string | undefined];
  if (rest[0] !== ' ' || !number.test(value)) fail(line, 'bad value');
  const sample: Sample = { name, labels, spelled: value, value: Number(value.replace('Inf', 'Infinity')) };
  if (exemplar !== undefined) {
    if (!mayHaveExemplar) fail(line, 'no exemplar may stand here');
    const [found, length] = readLabels(exemplar, line);
    const size = Object.entries(found).flat().join('').length;
    if (size > 128) fail(line, `exemplar of ${size} characters`);
    const spelled = exemplar.slice(length + 1);
    if (exemplar[length] !== ' ' || !number.test(spelled)) fail(line, 'bad exemplar');
    sample.exemplar = { labels: found, value: Number(spelled) };
  }
  return sample;
}

function checkHistogram({ name, samples }: Family): void {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le, ...others } = sample.labels;
    if (sample.name.endsWith('_bucket') !== (le !== undefined)) fail(sample.name, 'le on the wrong sample');
    const key = JSON.stringify(others);
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const [key, group] of groups) {
    const buckets = group.filter((s) => s.name === `${name}_bucket`);
    const [sum, count, ...more] = group.filter((s) => s.name !== `${name}_bucket`);
    if (sum?.name !== `${name}_sum` || count?.name !== `${name}_count` || more.length > 0)
      fail(name + key, 'expected buckets, a sum and a count');
    let below = 0;
    let edge = -Infinity;
    for (const bucket of buckets) {
      const le = Number(bucket.labels.le!.replace('Inf', 'Infinity'));
      if (!/^(\d+\.\d+|\d+e-\d+|\+Inf)$/.test(bucket.labels.le!)) fail(bucket.labels.le!, 'not a canonical edge');
      if (le <= edge) fail(name + key, 'edges must rise');
      if (bucket.value < below) fail(name + key, 'buckets are cumulative');
      const seen = bucket.exemplar?.value;
      if (seen !== undefined && (seen > le || seen <= edge)) fail(name + key, `exemplar ${seen} outside of its bucket`);
      if (seen !== undefined && bucket.value === below) fail(name + key, 'exemplar of nothing');
      edge = le;
      below = bucket.value;
    }
    if (edge !== Infinity || below !== count!.value) fail(name + key, '+Inf must be the count');
  }
}

const suffixes: Record<string, string[]> = {
  counter: ['_total'],
  info: ['_info'],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
};

function check(families: Family[], suffixOf: (type: string) => string[]): Family[] {
  const series = new Set<string>();
  const names = new Set<string>();
  for (const family of families) {
    if (names.has(family.name)) fail(family.name, 'family twice');
    names.add(family.name);
    for (const sample of family.samples) {
      if (!suffixOf(family.type).some((suffix) => sample.name === family.name + suffix))
        fail(sample.name, `not of the family ${family.name}`);
      const key = sample.name + JSON.stringify(Object.entries(sample.labels).sort());
      if (series.has(key)) fail(key, 'twice');
      series.add(key);
      if (family.type !== 'gauge' && !(sample.value >= 0)) fail(key, 'below 0');
    }
    if (family.type === 'histogram') checkHistogram(family);
  }
  return families;
}

function lines(text: string): string[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  if (text.includes('\r')) throw new Error('a carriage return');
  return text.slice(0, -1).split('\n');
}

/** Text format 0.0.4, with HELP and TYPE before each family. */
export function readText(text: string): Family[] {
  const families: Family[] = [];
  const all = lines(text);
  for (let i = 0; i < all.length; i++) {
    const line = all[i]!;
    if (!line.startsWith('#')) {
      (families.at(-1) ?? fail(line, 'no family')).samples.push(readSample(line, false));
      continue;
    }
    const help = /^# HELP (\S+) (.+)$/.exec(line) ?? fail(line, 'expected HELP');
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(all[++i] ?? '') ?? fail(line, 'expected TYPE next');
    if (help[1] !== type[1]) fail(line, 'HELP and TYPE of different names');
    if ((type[2] === 'counter') !== help[1]!.endsWith('_total')) fail(line, 'a counter ends in _total');
    families.push({ name: help[1]!, type: type[2]!, help: help[2]!, samples: [] });
  }
  return check(families, (type) => (type === 'histogram' ? suffixes.histogram! : ['']));
}

/** OpenMetrics 1.0, with TYPE, UNIT and HELP in this order. */
export function readOpenMetrics(text: string): Family[] {
  const families: Family[] = [];
  const all = lines(text);
  if (all.pop() !== '# EOF') throw new Error('does not end with # EOF');
  for (let i = 0; i < all.length; i++) {
    const line = all[i]!;
    if (!line.startsWith('#')) {
      const family = families.at(-1) ?? fail(line, 'no family');
      family.samples.push(readSample(line, /^[^{ ]*_(bucket|total)\b/.test(line)));
      continue;
    }
    const [, name, type] = /^# TYPE (\S+) (counter|gauge|histogram|info)$/.exec(line) ?? fail(line, 'expected TYPE');
    const unit = /^# UNIT (\S+) (\S+)$/.exec(all[i + 1] ?? '');
    if (unit !== null) i++;
    if (unit !== null && (unit[1] !== name || !name!.endsWith(`_${unit[2]}`))) fail(unit[0], 'not the name\'s unit');
    const help = /^# HELP (\S+) (.+)$/.exec(all[++i] ?? '') ?? fail(line, 'expected HELP next');
    if (help[1] !== name) fail(help[0], 'HELP of another name');
    if (/_(total|info|bucket|sum|count|created)$/.test(name!)) fail(line, 'a reserved suffix');
    families.push({ name: name!, type: type!, help: help[2]!, unit: unit?.[2], samples: [] });
  }
  return check(families, (type) => suffixes[type]!);
}

/** `name{label="value"}`: the sum of the samples that have these labels, and
 * perhaps others. */
export function sumOf(families: Family[], series: string): number {
  const [, name, braces] = /^([^{]*)(\{.*\})?$/.exec(series)!;
  const wanted = Object.entries(braces === undefined ? {} : readLabels(braces, series)[0]);
  return families
    .flatMap((family) => family.samples)
    .filter((s) => s.name === name && wanted.every(([label, value]) => s.labels[label] === value))
    .reduce((sum, s) => sum + s.value, 0);
}
