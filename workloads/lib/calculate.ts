// Arithmetic as people write it; nothing is run.
//
//   sum = product { (+|-) product }     product = power { (*|/|%) power }
//   power = (+|-) power | atom [ ^ power ]   atom = number | ( sum )

const MOST_DEPTH = 100;

const binary: Record<string, (a: number, b: number) => number> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};

class Reader {
  private readonly tokens: string[];
  private at = 0;
  private depth = 0;

  constructor(tokens: string[]) {
    this.tokens = tokens;
  }

  whole(): number {
    const value = this.sum();
    if (this.at < this.tokens.length) throw new Error(`did not expect "${this.tokens[this.at]}"`);
    return value;
  }

  private sum(): number {
    return this.chain(['+', '-'], () => this.chain(['*', '/', '%'], () => this.power()));
  }

  private chain(signs: string[], next: () => number): number {
    let value = next();
    while (signs.includes(this.tokens[this.at] ?? '')) value = binary[this.tokens[this.at++]!]!(value, next());
    return value;
  }

  private power(): number {
    if (++this.depth > MOST_DEPTH) throw new Error('it is nested too deeply');
    const value = this.signed();
    this.depth--;
    return value;
  }

  private signed(): number {
    if (this.takes('-')) return -this.power();
    if (this.takes('+')) return this.power();
    const base = this.atom();
    return this.takes('^') ? base ** this.power() : base;
  }

  private takes(sign: string): boolean {
    const isThere = this.tokens[this.at] === sign;
    if (isThere) this.at++;
    return isThere;
  }

  private atom(): number {
    const token = this.tokens[this.at++];
    if (token === undefined) throw new Error('it ends too early');
    if (token === '(') {
      const value = this.sum();
      if (!this.takes(')')) throw new Error('a ")" is missing');
      return value;
    }
    if (!/^[\d.]/.test(token)) throw new Error(`did not expect "${token}"`);
    return Number(token);
  }
}

export function calculate(expression: string): number {
  const text = expression.replaceAll('**', '^').replaceAll('×', '*').replaceAll('÷', '/').replaceAll('−', '-');
  const tokens = text.match(/\d+\.?\d*(?:e[+-]?\d+)?|\.\d+|[^\s]/gi) ?? [];
  const value = new Reader(tokens).whole();
  if (!Number.isFinite(value)) throw new Error('that has no finite value');
  // 0.1 + 0.2
  return Number(value.toPrecision(15));
}
