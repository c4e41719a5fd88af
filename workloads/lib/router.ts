// The router, as the plain OpenAI SDK sees it; and what its answers say about
// who gave them.
import OpenAI from 'openai';
import { Problem } from './problem.ts';

const DEFAULT_URL = 'http://127.0.0.1:8080/v1';

/** ROUTER_URL, which may end in /v1 or not. */
export function baseUrl(): string {
  const url = (process.env.ROUTER_URL || DEFAULT_URL).replace(/\/+$/, '');
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new Problem(`ROUTER_URL: read "${url}", expected a URL like ${DEFAULT_URL}`);
  return url.endsWith('/v1') ? url : `${url}/v1`;
}

export function connect(retries: unknown): OpenAI {
  return new OpenAI({
    baseURL: baseUrl(),
    apiKey: process.env.ROUTER_API_KEY || 'unused',
    // the SDK waits as long as Retry-After says
    maxRetries: Number(retries),
  });
}

/** Who answered, and why he: the router says it with every answer. */
export interface Served {
  backend: string;
  model: string;
  reason: string;
}

export function servedBy(response: Response): Served {
  const header = (name: string) => response.headers.get(`x-router-${name}`) ?? 'unknown';
  return { backend: header('backend'), model: header('model'), reason: header('reason') };
}

export const shown = ({ backend, model, reason }: Served): string => `${backend} (${model}), because ${reason}`;

function cause(error: unknown): string {
  // fetch hides the reason, the SDK hides fetch's
  for (let at: any = error; at; at = at.cause) {
    if (at.code === 'ECONNREFUSED') return 'connection refused; is it running?';
    if (at.code === 'ENOTFOUND') return 'there is no host of that name';
    if (at.cause === undefined && at !== error) return at.message || at.code;
  }
  return (error as Error).message;
}

/** An error of the SDK in words that help. */
export function explain(error: unknown): string {
  if (error instanceof Problem) return error.message;
  if (error instanceof OpenAI.APIConnectionTimeoutError) return `the router at ${baseUrl()} did not answer in time`;
  if (error instanceof OpenAI.APIConnectionError)
    return `cannot reach the router at ${baseUrl()}: ${cause(error)}`;
  if (error instanceof OpenAI.APIError) {
    const what = error.code ?? error.type;
    const later = error.headers?.get('retry-after');
    const status = error.status === undefined ? 'the answer broke off:' : `the router answered ${error.status}`;
    return (
      `${status}${what ? ` ${what}` : ''}: ${error.message.replace(/^\d{3} /, '')}` +
      (later ? `\ntry again in ${later} s, or let --retries do it` : '')
    );
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
