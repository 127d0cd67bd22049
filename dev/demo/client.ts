// A person at the gateway, as any client is one.
import { randomUUID } from "node:crypto";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

const MAX_WAITS = 10;

export class Client {
  readonly #gateway: URL;
  readonly #localAddress: string;
  token: string | null = null;

  /** @param seat each person comes from a loopback address of their own, as from their own desk, with its own rate limit */
  constructor(gateway: string, seat: number) {
    this.#gateway = new URL(gateway);
    this.#localAddress = `127.0.1.${seat}`;
  }

  /** One request; waits where it is told to (429 and 503 with Retry-After). */
  async call(
    method: string,
    path: string,
    body?: unknown,
    idempotencyKey: string = randomUUID(),
  ): Promise<Answer> {
    for (let waits = 0; ; waits++) {
      const { answer, retryAfterSeconds } = await this.#once(method, path, body, idempotencyKey);
      const mayWait = (answer.status === 429 || answer.status === 503) && retryAfterSeconds !== null;
      if (!mayWait || waits === MAX_WAITS) return answer;
      await sleep(Math.min(retryAfterSeconds, 60) * 1_000 + 50);
    }
  }

  /** @throws Error with the status and code when the answer is not the expected one */
  async expect(
    status: number,
    method: string,
    path: string,
    body?: unknown,
    idempotencyKey?: string,
  ): Promise<Record<string, unknown>> {
    const answer = await this.call(method, path, body, idempotencyKey);
    if (answer.status === status) return answer.body;
    throw new Error(`${method} ${path} answered ${answer.status} ${String(answer.body.code ?? "")}`);
  }

  #once(method: string, path: string, body: unknown, idempotencyKey: string) {
    const payload = body === undefined ? null : JSON.stringify(body);
    const headers: Record<string, string> = {
      ...(payload === null ? {} : { "content-type": "application/json", "idempotency-key": idempotencyKey }),
      ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
    };
    const { hostname, port } = this.#gateway;
    const request = http.request({
      hostname,
      port,
      method,
      path,
      headers,
      localAddress: this.#localAddress,
      timeout: 60_000,
    });
    return new Promise<{ answer: Answer; retryAfterSeconds: number | null }>((resolve, reject) => {
      request.on("timeout", () => request.destroy(new Error(`${method} ${path} had no answer within 60 s`)));
      request.on("error", reject);
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const retryAfter = response.headers["retry-after"];
          resolve({
            answer: { status: response.statusCode ?? 0, body: parsed(Buffer.concat(chunks)) },
            retryAfterSeconds: retryAfter === undefined ? null : Number(retryAfter) || 1,
          });
        });
      });
      request.end(payload);
    });
  }
}

function parsed(bytes: Buffer): Record<string, unknown> {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return {};
  }
}
