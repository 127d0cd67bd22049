import { randomUUID } from "node:crypto";
import { MedVaultClient, ProblemError } from "@medvault/client";
import { generate } from "otplib";
import { faultsOf } from "./openapi.ts";

export interface Answer<T = Record<string, never>> {
  status: number;
  headers: Headers;
  body: T;
  requestId: string;
}

/** Any JSON object of an answer; tests narrow by what they assert. */
export type Json = { [key: string]: JsonValue };
type JsonValue = string | number | boolean | null | JsonValue[] | Json;

export interface Call {
  body?: unknown;
  form?: FormData;
  headers?: Record<string, string>;
}

/**
 * A client as a user has one. `api` is the typed client, which throws for refusals; `call` and its
 * kind send anything and take any answer, which must be as the OpenAPI document says.
 */
export class Client {
  readonly gateway: string;
  readonly #fetch: typeof fetch;
  api: MedVaultClient;

  constructor(gateway: string, fetchFrom: typeof fetch = fetch) {
    this.gateway = gateway;
    this.#fetch = fetchFrom;
    this.api = new MedVaultClient({ baseUrl: gateway, fetch: fetchFrom });
  }

  get token(): string | null {
    return this.api.session.tokens?.access ?? null;
  }

  /** Sends one request and reads the whole answer; JSON is parsed, anything else is in `raw`. */
  async call(method: string, path: string, call: Call = {}): Promise<Answer<Json> & { raw: Buffer }> {
    const headers: Record<string, string> = { "x-request-id": randomUUID(), ...call.headers };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    if (call.body !== undefined) headers["content-type"] ??= "application/json";
    const response = await this.#fetch(`${this.gateway}${path}`, {
      method,
      headers,
      body: call.form ?? (call.body === undefined ? null : JSON.stringify(call.body)),
      redirect: "error",
    });
    const raw = Buffer.from(await response.arrayBuffer());
    const faults = faultsOf(method, path, { status: response.status, headers: response.headers, raw });
    if (faults.length > 0) throw new Error(`${method} ${path} ${response.status}: ${faults.join("; ")}`);
    const isJson = /\bjson/.test(response.headers.get("content-type") ?? "");
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && raw.length > 0 ? (JSON.parse(raw.toString("utf8")) as Json) : {},
      raw,
      requestId: response.headers.get("x-request-id") ?? "",
    };
  }

  get(path: string, headers: Record<string, string> = {}) {
    return this.call("GET", path, { headers });
  }
  post(path: string, body: unknown = {}, headers: Record<string, string> = {}) {
    return this.call("POST", path, { body, headers });
  }
  put(path: string, body: unknown, headers: Record<string, string> = {}) {
    return this.call("PUT", path, { body, headers });
  }
  delete(path: string, headers: Record<string, string> = {}) {
    return this.call("DELETE", path, { headers });
  }

  /** Takes the tokens of an answer; throws with the answer's code when there are none. */
  keep(answer: Answer<Json>): this {
    if (typeof answer.body.accessToken !== "string") {
      throw new Error(`no tokens: ${answer.status} ${JSON.stringify(answer.body)}`);
    }
    const { accessToken: access, refreshToken } = answer.body;
    const refresh =
      typeof refreshToken === "string" ? refreshToken : (this.api.session.tokens?.refresh ?? null);
    this.api = new MedVaultClient({ baseUrl: this.gateway, fetch: this.#fetch, tokens: { access, refresh } });
    return this;
  }
}

const PERIOD_SECONDS = 30;
const lastStep = new Map<string, number>();

/**
 * A TOTP code as an authenticator app shows it, never the same step twice: MedVault takes each code
 * once. It may use the next step's code (the clock tolerance is one step); when both are used it
 * waits for a new one.
 */
export async function totpCode(secret: string): Promise<string> {
  for (;;) {
    const now = Math.floor(Date.now() / 1000 / PERIOD_SECONDS);
    const step = Math.max(now, (lastStep.get(secret) ?? 0) + 1);
    if (step <= now + 1) {
      lastStep.set(secret, step);
      return generate({ secret, epoch: step * PERIOD_SECONDS });
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Signs in with a password and, where it is asked for, a TOTP. Retries with a fresh code. */
export async function signIn(
  gateway: string,
  person: { username: string; password: string; totpSecret?: string | null },
  fetchFrom?: typeof fetch,
): Promise<Client> {
  const client = new Client(gateway, fetchFrom);
  const { api } = client;
  const body = { identifier: person.username, password: person.password };
  await freshly(async () => {
    const { data } = await api.call("POST /v1/auth/login", { body });
    if (!("mfaRequired" in data)) return api.session.keep(data);
    if (!person.totpSecret) throw new Error("a second factor is asked for and none is known");
    const challenge = { mfaToken: data.mfaToken, code: await totpCode(person.totpSecret) };
    await api.session.keep((await api.call("POST /v1/auth/mfa/challenge", { body: challenge })).data);
  });
  return client;
}

/** Steps up: the client then holds a token that sensitive calls accept for 10 minutes. */
export async function stepUp(
  { api }: Client,
  person: { password: string; totpSecret?: string | null },
): Promise<void> {
  await freshly(async () => {
    const code = person.totpSecret && { code: await totpCode(person.totpSecret) };
    const body = { password: person.password, ...code };
    await api.session.keep((await api.call("POST /v1/auth/step-up", { body })).data);
  });
}

/** Tries three times, each with a new code: another process may just have used the first. */
async function freshly(attempt: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === 3 || !(error instanceof ProblemError) || error.status !== 401) throw error;
    }
  }
}
