/** Account and domain that documentation uses and nobody has. */
const standsFor = /111122223333|example\.(com|org)|00000000-0000-0000-0000-000000000000/;

/** The fields of a configuration that are still as shipped, with their values. */
export function placeholders(value: unknown, path = ''): [path: string, value: string][] {
  if (typeof value === 'string') return standsFor.test(value) ? [[path, value]] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => placeholders(each, path === '' ? key : `${path}.${key}`));
}
