import { type Patience, patiently } from "./attempts.ts";
import { CookieSession } from "./cookie-session.ts";
import { eventsOf } from "./event-stream.ts";
import { NoAnswer, ProblemError, problemOf } from "./problem.ts";
import { bodyOf, type Input, targetOf } from "./request.ts";
import { type AuditEventView, IDEMPOTENT, type Operations, STREAMED, type TokensView } from "./schema.ts";
import { type Refreshed, Session, type SessionStore, type Tokens } from "./session.ts";
import { sleep } from "./sleep.ts";

const REFRESH = "POST /v1/auth/refresh";
const STREAM = "GET /v1/audit/stream";
/** So soon again, where a stream has ended: with its token, say. */
const RECONNECT_MS = 1_000;
const LOGOUT = "POST /v1/auth/logout";
const TIMEOUT_MS = 30_000;
const PATIENCE: Patience = { attempts: 4, maxWaitMs: 30_000 };

export interface ClientOptions {
  /** `https://medvault.example`, without a path. */
  baseUrl: string;
  /** Where tokens are kept between starts. Default: nowhere. */
  store?: SessionStore;
  /** The session of a user who has signed in already. */
  tokens?: Tokens;
  /**
   * `cookie`: tokens travel in cookies, which no script can read (in Node, in a store of this
   * client for its gateway alone), and unsafe calls carry the CSRF token. Default `bearer`.
   */
  transport?: "bearer" | "cookie";
  /** Of a session in cookies that goes on: `session.csrfToken` before the page was loaded. */
  csrfToken?: string | null;
  /** Until the answer is there or, streamed, begins. Default 30,000; for each attempt. */
  timeoutMs?: number;
  patience?: Partial<Patience>;
  fetch?: typeof fetch;
  /** Default: the runtime's own. A session keeps the one it had at sign-in (empty: none). */
  userAgent?: string;
}

/** How one call goes; what is left out is as the client has it. */
export interface CallOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
  patience?: Partial<Patience>;
  /** Doing it twice does no harm, although it is a write without a key: a sign-in, say. */
  repeatable?: boolean;
}

export interface Answer<T> {
  data: T;
  status: number;
  headers: Headers;
  requestId: string;
}

type Operation = keyof Operations;
type Optional<T> = Record<string, never> extends T ? true : false;
type Part<Name extends string, T> = Optional<T> extends true ? { [K in Name]?: T } : { [K in Name]: T };
type Body<T> = [T] extends [undefined] ? unknown : undefined extends T ? { body?: T } : { body: T };

/** What an operation takes: the parts that it must have are required, the others optional. */
export type InputOf<K extends Operation> = Part<"path", Operations[K]["path"]> &
  Part<"query", Operations[K]["query"]> &
  Part<"headers", Operations[K]["headers"]> &
  Body<Operations[K]["body"]>;
type QueryOf<K extends Operation> = Operations[K]["query"];
export type DataOf<K extends Operation> = Operations[K]["data"];

type Rest<K extends Operation> =
  Optional<InputOf<K>> extends true
    ? [input?: InputOf<K>, options?: CallOptions]
    : [input: InputOf<K>, options?: CallOptions];

/** The operations that answer in pages, and what their pages hold. */
type Paged = {
  [K in Operation]: DataOf<K> extends { items: unknown[]; nextCursor: unknown } ? K : never;
}[Operation];
type ItemOf<K extends Paged> = DataOf<K> extends { items: (infer T)[] } ? T : never;

/** A client of one gateway, for one person at a time. */
export class MedVaultClient {
  readonly session: Session;
  readonly #options: ClientOptions;
  readonly #cookies: CookieSession | null;

  constructor(options: ClientOptions) {
    this.#options = { ...options, baseUrl: options.baseUrl.replace(/\/+$/, "") };
    this.#cookies = options.transport === "cookie" ? new CookieSession(options.csrfToken ?? null) : null;
    const refresh = (token: string | null) => this.#refresh(token);
    this.session = new Session(options.store ?? {}, refresh, options.tokens ?? null, this.#cookies);
  }

  /**
   * One operation, `call("GET /v1/patients/{id}", { path: { id } })`. An expired access token is
   * renewed once. A write that takes an `Idempotency-Key` gets one, the same for all its attempts.
   * Throws ProblemError for a refusal, NoAnswer without an answer, the signal's reason if aborted.
   */
  async call<K extends Operation>(operation: K, ...[input, options]: Rest<K>): Promise<Answer<DataOf<K>>> {
    const { signal, timeoutMs = this.#options.timeoutMs ?? TIMEOUT_MS, patience } = options ?? {};
    const keyed = withKey(operation, (input ?? {}) as Input);
    const all = { ...PATIENCE, ...this.#options.patience, ...patience };
    const used = this.session.mark;
    const run = () =>
      patiently(
        () => this.#once(operation, keyed, timeoutMs, signal),
        all,
        options?.repeatable ?? isRepeatable(operation),
        signal,
      ) as Promise<Answer<DataOf<K>>>;
    try {
      return await run();
    } catch (error) {
      const ranOut = error instanceof ProblemError && error.code === "unauthenticated";
      if (!ranOut || used === undefined || !(await this.session.renew(used))) throw error;
      return run();
    }
  }

  /** Every item of a list, page after page, as they are asked for. */
  async *items<K extends Paged>(operation: K, ...[input, options]: Rest<K>): AsyncGenerator<ItemOf<K>, void> {
    const place = operation.startsWith("GET ") ? "query" : "body";
    let given = (input ?? {}) as Input;
    for (;;) {
      const rest = [given, options] as unknown as Rest<K>;
      const { data } = await this.call(operation, ...rest);
      const page = data as { items: ItemOf<K>[]; nextCursor: string | null };
      yield* page.items;
      if (page.nextCursor === null) return;
      given = { ...given, [place]: { ...(given[place] as object | undefined), cursor: page.nextCursor } };
    }
  }

  /**
   * Entries of the audit log as they come, each once and in their order, over any number of
   * connections, until `signal` aborts. `after`: from behind this index; default: from now on.
   * Throws ProblemError where it is refused, NoAnswer where nobody answers any more.
   */
  async *follow(
    filter: QueryOf<typeof STREAM>,
    signal: AbortSignal,
  ): AsyncGenerator<{ event: string; entry: AuditEventView }, void> {
    let { after } = filter;
    while (!signal.aborted) {
      const query = { ...filter, ...(after === undefined ? {} : { after }) };
      try {
        const { data } = await this.call(STREAM, { query }, { signal });
        for await (const { id, event, data: text } of eventsOf(data as ReadableStream<Uint8Array>)) {
          if (id !== null) after = Number(id);
          if (text !== null) yield { event, entry: JSON.parse(text) as AuditEventView };
        }
      } catch (error) {
        if (!(error instanceof TypeError) && !signal.aborted) throw error; // else it broke off
      }
      await sleep(RECONNECT_MS, signal).catch(() => undefined);
    }
  }

  /** By the token, or, without one, by its cookie. */
  async #refresh(refreshToken: string | null): Promise<Refreshed> {
    const input = refreshToken === null ? {} : { body: { refreshToken } };
    const send = () => this.#once(REFRESH, input, TIMEOUT_MS, undefined);
    try {
      // Not sent again without an answer: if it was traded, a second use would end the session.
      const { data } = await patiently(send, { ...PATIENCE, ...this.#options.patience }, false, undefined);
      if (refreshToken === null) return "cookies";
      const tokens = data as TokensView;
      return { tokens: { access: tokens.accessToken, refresh: tokens.refreshToken } };
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (error.code === "refresh_superseded") return "superseded";
      if (error.status === 401 || error.status === 400) return "refused";
      throw error;
    }
  }

  async #once(
    operation: string,
    input: Input,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Answer<unknown>> {
    const { method, url } = targetOf(this.#options.baseUrl, operation, input);
    const { body, type } = bodyOf(operation, input);
    const headers = new Headers();
    for (const [name, value] of Object.entries(input.headers ?? {})) if (value) headers.set(name, value);
    if (type) headers.set("content-type", type);
    const { userAgent } = this.#options;
    if (userAgent !== undefined) headers.set("user-agent", userAgent);
    const cookies = this.#cookies;
    for (const [name, value] of Object.entries(cookies?.headers(method) ?? {})) headers.set(name, value);
    const token = cookies ? undefined : this.session.tokens?.access;
    if (token && operation !== REFRESH) headers.set("authorization", `Bearer ${token}`);

    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new NoAnswer("timeout", undefined)), timeoutMs);
    const either = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
    try {
      const send = this.#options.fetch ?? fetch;
      const credentials = cookies ? "include" : "same-origin";
      const request: RequestInit = { method, headers, body, signal: either, redirect: "error", credentials };
      const response = await send(url, request);
      cookies?.takeCookies(response.headers);
      if (!response.ok) throw await problemOf(response);
      const data = await dataOf(operation, response);
      if (operation === LOGOUT) cookies?.drop();
      else cookies?.keep(data);
      return {
        data,
        status: response.status,
        headers: response.headers,
        requestId: response.headers.get("x-request-id") ?? "",
      };
    } catch (error) {
      if (error instanceof ProblemError) throw error;
      if (signal?.aborted) throw signal.reason;
      throw late.signal.aborted ? late.signal.reason : new NoAnswer("unreachable", error);
    } finally {
      clearTimeout(timer); // a stream may take long, until the caller's signal
    }
  }
}

function withKey(operation: string, input: Input): Input {
  if (!IDEMPOTENT.has(operation) || input.headers?.["Idempotency-Key"]) return input;
  return { ...input, headers: { ...input.headers, "Idempotency-Key": crypto.randomUUID() } };
}

/** Whether doing it twice does no harm: reads, what names its own state, and what has a key. */
function isRepeatable(operation: string): boolean {
  return IDEMPOTENT.has(operation) || /^(GET|PUT|DELETE) /.test(operation);
}

async function dataOf(operation: string, response: Response): Promise<unknown> {
  if (STREAMED.has(operation)) return response.body;
  if (response.status === 204 || response.headers.get("content-length") === "0") return undefined;
  const isJson = /^application\/([a-z.+-]+\+)?json/.test(response.headers.get("content-type") ?? "");
  if (isJson) return response.json();
  const text = await response.text();
  return text === "" ? undefined : text;
}
