// Server-sent events as they stand in a text.

/** One event of a stream: its name, if it has one, and its data. */
export interface Event {
  name: string;
  data: any;
}

/** The frames of a stream's text; comments are left out. */
export function framesOf(text: string): Event[] {
  return text
    .split('\n\n')
    .map((frame) => frame.split('\n'))
    .map((lines) => ({
      name: lines.find((line) => line.startsWith('event: '))?.slice(7) ?? '',
      data: lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice(6)).join('\n'),
    }))
    .filter(({ data }) => data !== '')
    .map(({ name, data }) => ({ name, data: data === '[DONE]' ? data : JSON.parse(data) }));
}
