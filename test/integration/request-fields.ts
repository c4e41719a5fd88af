/* The fields of requests as the official SDKs have them, read from their types
 * by the TypeScript compiler: paths as docs/translation.md writes them, without
 * indexes (messages[].content[].image_url.detail). */
import { fileURLToPath } from 'node:url';

import { API, type Checker, type Type } from 'typescript/unstable/sync';

/* An object inside a request: where it stands, the words that its `type` may
 * be, and its members. */
export interface RequestObject {
  path: string;
  kinds: string[];
  members: Map<string, RequestObject[]>;
}

function wordsOf(type: Type): string[] {
  if (type.isUnionType()) return type.getTypes().flatMap(wordsOf);
  return type.isStringLiteralType() ? [type.value] : [];
}

class Reader {
  private readonly checker: Checker;
  private readonly open = new Set<number>();

  constructor(checker: Checker) {
    this.checker = checker;
  }

  /* The objects that a value of this type may be or hold. */
  read(type: Type, path: string): RequestObject[] {
    const element = this.elementOf(type);

    if (type.isUnionType()) return type.getTypes().flatMap((one) => this.read(one, path));
    if (element !== undefined) return this.read(element, `${path}[]`);
    /* `string & {}` is a string */
    if (type.isIntersectionType() && !type.getTypes().every((one) => one.isObjectType())) return [];
    if (type.isObjectType() || type.isIntersectionType()) return this.readObject(type, path);
    return [];
  }

  private elementOf(type: Type): Type | undefined {
    return this.checker.isArrayLikeType(type) && type.isTypeReference()
      ? this.checker.getTypeArguments(type)[0]
      : undefined;
  }

  private readObject(type: Type, path: string): RequestObject[] {
    const members = new Map<string, RequestObject[]>();
    let kinds: string[] = [];

    if (this.open.has(type.id)) return []; // what holds itself is read once
    this.open.add(type.id);
    for (const symbol of this.checker.getPropertiesOfType(type)) {
      const value = this.checker.getTypeOfSymbol(symbol);

      if (value === undefined) continue;
      if (symbol.name === 'type') kinds = wordsOf(value);
      members.set(symbol.name, this.read(value, path === '' ? symbol.name : `${path}.${symbol.name}`));
    }
    this.open.delete(type.id);
    return [{ path, kinds, members }];
  }
}

/* By the names in request-types.ts. */
export function readRequestTypes(): Map<string, RequestObject> {
  const file = fileURLToPath(new URL('request-types.ts', import.meta.url));
  const config = fileURLToPath(new URL('tsconfig.json', import.meta.url));
  const api = new API();

  try {
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
    const source = project?.program.getSourceFile(file);
    const module = source && project?.checker.getSymbolAtLocation(source);
    const found = new Map<string, RequestObject>();

    if (project === undefined || module === undefined) throw new Error(`${file}: not in the project`);
    for (const symbol of project.checker.getExportsOfModule(module)) {
      const type = project.checker.getDeclaredTypeOfSymbol(project.checker.getAliasedSymbol(symbol));
      const [object] = new Reader(project.checker).read(type, '');

      if (object === undefined) throw new Error(`${symbol.name}: no object`);
      found.set(symbol.name, object);
    }
    return found;
  } finally {
    api.close();
  }
}
