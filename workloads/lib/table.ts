/** Columns side by side, each as wide as its widest cell; the last one ends
 * where it ends. */
export function table(head: string[], rows: string[][]): string {
  const all = [head, head.map((name) => '-'.repeat(name.length)), ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => lengthOf(row[i]!))));
  const line = (row: string[]) => row.map((cell, i) => cell + ' '.repeat(widths[i]! - lengthOf(cell))).join('  ').trimEnd();
  return all.map(line).join('\n');
}

const lengthOf = (text: string) => [...text].length;

/** In one line of at most so many characters. */
export function clip(text: string, most: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return lengthOf(line) <= most ? line : `${[...line].slice(0, most - 1).join('').trimEnd()}…`;
}
