const REQUEST_TIMEOUT_MS = 120_000;

export interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

/** Nobody answers where the gateway should be. */
export class GatewayAway extends Error {}

/** Posts JSON. An answer of any status is an answer; throws GatewayAway when there is none. */
export async function post(
  url: string,
  body: string | Buffer,
  headers: Record<string, string>,
): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : new Uint8Array(body),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
  } catch {
    throw new GatewayAway(`nobody answers at ${new URL(url).origin}; is MedVault running (npm start)?`);
  }
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: asObject(text) };
}

/** How long an answer asks to wait, in milliseconds, bounded by `maxMs`. */
export function retryAfterMs(answer: Answer, maxMs: number): number {
  const seconds = Number(answer.headers.get("retry-after"));
  return Math.min(Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 2_000, maxMs);
}

function asObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
