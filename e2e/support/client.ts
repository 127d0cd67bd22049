import { randomUUID } from "node:crypto";
import { generate } from "otplib";

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

/** A client as a user has one: it knows the gateway, and a token once somebody signed in. */
export class Client {
  readonly gateway: string;
  token: string | null = null;
  refreshToken: string | null = null;

  constructor(gateway: string) {
    this.gateway = gateway;
  }

  /** Sends one request and reads the whole answer; JSON is parsed, anything else is left in `raw`. */
  async call(method: string, path: string, call: Call = {}): Promise<Answer<Json> & { raw: Buffer }> {
    const headers: Record<string, string> = { "x-request-id": randomUUID(), ...call.headers };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    if (call.body !== undefined) headers["content-type"] ??= "application/json";
    const response = await fetch(`${this.gateway}${path}`, {
      method,
      headers,
      body: call.form ?? (call.body === undefined ? null : JSON.stringify(call.body)),
      redirect: "error",
    });
    const raw = Buffer.from(await response.arrayBuffer());
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
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
    this.token = answer.body.accessToken;
    if (typeof answer.body.refreshToken === "string") this.refreshToken = answer.body.refreshToken;
    return this;
  }
}

const PERIOD_SECONDS = 30;
const lastStep = new Map<string, number>();

/**
 * A TOTP code as an authenticator app shows it, never the same step twice: MedVault takes each code once.
 * It may use the next step's code (the clock tolerance is one step); when both are used it waits for a new one.
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

/** Signs in with a password and, where the answer asks for it, a TOTP. Retries once with a fresh code. */
export async function signIn(
  gateway: string,
  person: { username: string; password: string; totpSecret?: string | null },
): Promise<Client> {
  const client = new Client(gateway);
  for (let attempt = 0; ; attempt++) {
    const login = await client.post("/v1/auth/login", {
      identifier: person.username,
      password: person.password,
    });
    if (login.body.mfaRequired !== true) return client.keep(login);
    if (!person.totpSecret) throw new Error("a second factor is asked for and none is known");
    const challenge = await client.post("/v1/auth/mfa/challenge", {
      mfaToken: login.body.mfaToken,
      code: await totpCode(person.totpSecret),
    });
    // The demo of `npm start` may just have used this step's code from another process.
    if (challenge.status === 401 && attempt < 2) continue;
    return client.keep(challenge);
  }
}

/** Proves anew who is signed in; the client then holds a token that sensitive calls accept for 10 minutes. */
export async function stepUp(
  client: Client,
  person: { password: string; totpSecret?: string | null },
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const code = person.totpSecret ? { code: await totpCode(person.totpSecret) } : {};
    const answer = await client.post("/v1/auth/step-up", { password: person.password, ...code });
    if (answer.status === 401 && attempt < 2) continue;
    client.keep(answer);
    return;
  }
}
