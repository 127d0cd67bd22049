import type { Readable } from "node:stream";
import { AppError } from "@medvault/contracts";
import CircuitBreaker from "opossum";
import { type Dispatcher, Pool } from "undici";
import { ClientGone, neverReached } from "./proxy.errors.ts";

const CONNECT_TIMEOUT_MS = 2_000;
const CONNECTIONS = 64;
/** A connection is renewed after this long, so that new replicas get traffic. */
const CLIENT_TTL_MS = 60_000;
const KEEP_ALIVE_MS = 4_000;

const BREAKER: CircuitBreaker.Options = {
  timeout: false, // opossum's aborts nothing and counts slow uploads; undici bounds the time
  volumeThreshold: 10, // without it the first failure opens
  errorThresholdPercentage: 50,
  rollingCountTimeout: 10_000,
  resetTimeout: 2_000,
  // A client that goes away, or sends too much, says nothing about the service.
  errorFilter: (error: unknown) => error instanceof ClientGone || error instanceof AppError,
};

export interface UpstreamRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Readable | null;
  signal: AbortSignal;
  headersTimeoutMs: number;
  bodyTimeoutMs: number;
}

export type UpstreamAnswer = Dispatcher.ResponseData;
export type BreakerState = "closed" | "half_open" | "open";

/** Carries a 502–504 of the service through the breaker, which counts it, to the caller, who passes it on. */
class FailedAnswer extends Error {
  readonly answer: UpstreamAnswer;
  constructor(answer: UpstreamAnswer) {
    super("the service answered 502, 503 or 504");
    this.answer = answer;
  }
}

/** One service behind the gateway: a bounded pool of connections, and a breaker before it. */
export class Upstream {
  readonly name: string;
  readonly #pool: Pool;
  readonly #breaker: CircuitBreaker<[UpstreamRequest], UpstreamAnswer>;

  constructor(name: string, url: string) {
    this.name = name;
    this.#pool = new Pool(new URL(url).origin, {
      connections: CONNECTIONS,
      clientTtl: CLIENT_TTL_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      pipelining: 1,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      maxHeaderSize: 16 * 1024,
    });
    this.#breaker = new CircuitBreaker((request: UpstreamRequest) => this.#send(request), {
      ...BREAKER,
      name,
    });
  }

  get state(): BreakerState {
    if (this.#breaker.opened) return "open";
    return this.#breaker.halfOpen ? "half_open" : "closed";
  }

  /** Tells of every change of state. */
  onState(listener: (state: BreakerState) => void): void {
    this.#breaker.on("open", () => listener("open"));
    this.#breaker.on("halfOpen", () => listener("half_open"));
    this.#breaker.on("close", () => listener("closed"));
  }

  /**
   * The answer, once its headers are there; its body is the caller's to read or destroy. The time of the body is
   * outside the breaker. Throws what undici throws, `EOPENBREAKER` while open, ClientGone when `signal` aborts.
   */
  async request(request: UpstreamRequest): Promise<UpstreamAnswer> {
    try {
      return await this.#breaker.fire(request);
    } catch (thrown) {
      if (thrown instanceof FailedAnswer) return thrown.answer;
      throw thrown;
    }
  }

  /** GET of a small JSON document, outside the breaker: for health checks, which must not keep it open or closed. */
  async getJson(
    path: string,
    headers: Record<string, string>,
    timeoutMs: number,
  ): Promise<{ status: number; body: unknown }> {
    const { statusCode, body } = await this.#pool.request({
      method: "GET",
      path,
      headers,
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await body.text();
    return { status: statusCode, body: text ? JSON.parse(text) : null };
  }

  async close(): Promise<void> {
    this.#breaker.shutdown();
    await this.#pool.destroy();
  }

  async #send(request: UpstreamRequest): Promise<UpstreamAnswer> {
    const { headersTimeoutMs, bodyTimeoutMs, signal, ...rest } = request;
    const attempt = () =>
      this.#pool.request({
        ...rest,
        method: rest.method as Dispatcher.HttpMethod,
        signal,
        headersTimeout: headersTimeoutMs,
        bodyTimeout: bodyTimeoutMs,
      });
    const answer = await attempt()
      .catch((error: unknown) => {
        if (signal.aborted || !mayRepeat(request, error)) throw error;
        return attempt();
      })
      .catch((error: unknown) => {
        throw signal.aborted ? new ClientGone("the client went away") : error;
      });
    if (answer.statusCode >= 502 && answer.statusCode <= 504) throw new FailedAnswer(answer);
    return answer;
  }
}

/** Once more for reads that never arrived: a kept-alive connection that the service closed just then. */
function mayRepeat(request: UpstreamRequest, error: unknown): boolean {
  if (request.body || (request.method !== "GET" && request.method !== "HEAD")) return false;
  const code = (error as { code?: unknown } | null)?.code;
  return neverReached(error) || code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE";
}
