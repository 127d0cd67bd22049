import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { AppError, REFUSAL_HEADER, Unavailable } from "@medvault/contracts";
import { connectorOf, type Tls } from "@medvault/service-kit";
import CircuitBreaker from "opossum";
import { type Dispatcher, Pool } from "undici";
import { type Departure, Exchange, type UpstreamAnswer } from "./exchange.client.ts";
import { ClientGone, codeOf, isConnectionFault, SlowReader } from "./proxy.errors.ts";
import { RetryBudget } from "./retry-budget.ts";

const CONNECT_TIMEOUT_MS = 2_000;
/** A service that refuses connections is usually one that is just starting. */
const RETRY_AFTER_MS = 100;
/** At once, to one service. More are refused: a queue before a slow service only grows. */
const MAX_IN_FLIGHT = 512;
/** A connection is renewed after this long, so that new replicas get traffic. */
const CLIENT_TTL_MS = 60_000;
const KEEP_ALIVE_MS = 4_000;

const BREAKER: CircuitBreaker.Options = {
  timeout: false, // opossum's aborts nothing and counts slow uploads; undici bounds the time
  volumeThreshold: 10, // without it the first failure opens
  errorThresholdPercentage: 50,
  rollingCountTimeout: 60_000, // calls to a hanging service fail one by one, each late
  rollingCountBuckets: 12,
  resetTimeout: 2_000,
  // A client that goes away, or sends too much, says nothing about the service.
  errorFilter: (error: unknown) =>
    error instanceof ClientGone || error instanceof SlowReader || error instanceof AppError,
};

export interface UpstreamRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Readable | Buffer | null;
  client: Departure;
  headersTimeoutMs: number;
  bodyTimeoutMs: number;
}

export type BreakerState = "closed" | "half_open" | "open";

/** Carries a 502–504 of the service through the breaker, which counts it, to the caller. */
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
  readonly #budget = new RetryBudget();
  #inFlight = 0;
  #onRetry: () => void = () => undefined;

  constructor(name: string, url: string, tls: Tls | null = null) {
    this.name = name;
    this.#pool = new Pool(new URL(url).origin, {
      connections: MAX_IN_FLIGHT,
      clientTtl: CLIENT_TTL_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      pipelining: 1,
      connect: connectorOf(tls, CONNECT_TIMEOUT_MS),
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

  /** Running calls, from their start to the end of their answer's body. */
  get inFlight(): number {
    return this.#inFlight;
  }

  onRetry(listener: () => void): void {
    this.#onRetry = listener;
  }

  /** Calls `listener` at every change of state. */
  onState(listener: (state: BreakerState) => void): void {
    this.#breaker.on("open", () => listener("open"));
    this.#breaker.on("halfOpen", () => listener("half_open"));
    this.#breaker.on("close", () => listener("closed"));
  }

  /**
   * The answer, once its headers are there; the caller must send its body on or discard it. The
   * time of the body is outside the breaker. Throws what undici throws, `EOPENBREAKER` while open,
   * ClientGone when the client goes away.
   */
  async request(request: UpstreamRequest): Promise<UpstreamAnswer> {
    if (this.#inFlight >= MAX_IN_FLIGHT) throw new Unavailable(); // more would only wait
    try {
      return await this.#breaker.fire(request);
    } catch (thrown) {
      if (thrown instanceof FailedAnswer) return thrown.answer;
      throw thrown;
    }
  }

  /** A small JSON document, outside the breaker: health checks must not keep it open or closed. */
  async getJson(
    path: string,
    headers: Record<string, string>,
    timeoutMs: number,
    method: "GET" | "POST" = "GET",
  ): Promise<{ status: number; body: unknown }> {
    const { statusCode, body } = await this.#pool.request({
      method,
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
    this.#budget.earn();
    const first = this.#exchange();
    let answer: UpstreamAnswer;
    try {
      answer = await this.#attempt(first, request);
    } catch (error) {
      if (!mayRetry(request, first, error) || !this.#budget.take()) throw error;
      this.#onRetry();
      if (!first.started) await delay(RETRY_AFTER_MS);
      answer = await this.#attempt(this.#exchange(), request);
    }
    if (hasFailed(answer)) throw new FailedAnswer(answer);
    return answer;
  }

  #exchange(): Exchange {
    this.#inFlight += 1;
    return new Exchange(() => {
      this.#inFlight -= 1;
    });
  }

  #attempt(exchange: Exchange, request: UpstreamRequest): Promise<UpstreamAnswer> {
    const { client, method, path, headers, body, headersTimeoutMs, bodyTimeoutMs } = request;
    client.onGone = () => exchange.abort(new ClientGone("the client went away"));
    if (client.gone) client.onGone();
    if (body && "once" in body) body.once("error", (error: Error) => exchange.abort(error));
    this.#pool.dispatch(
      {
        method: method as Dispatcher.HttpMethod,
        path,
        headers,
        body,
        headersTimeout: headersTimeoutMs,
        bodyTimeout: bodyTimeoutMs,
      },
      exchange,
    );
    return exchange.answered;
  }
}

/** A service that refuses for a reason of its own works, and still reads. */
function hasFailed({ statusCode, headers }: UpstreamAnswer): boolean {
  return statusCode >= 502 && statusCode <= 504 && headers[REFUSAL_HEADER] === undefined;
}

/**
 * Whether a call may be sent once more: any that found no connection, since no byte of it left; and
 * reads whose connection broke before an answer, as a kept-alive one does that the service closes
 * just then. A write that may have arrived is its sender's to repeat, with its idempotency key.
 */
function mayRetry({ client, method, body }: UpstreamRequest, exchange: Exchange, error: unknown): boolean {
  if (client.gone || codeOf(error) === "UND_ERR_CONNECT_TIMEOUT") return false; // already slow
  if (!exchange.started) return isConnectionFault(error);
  return !body && (method === "GET" || method === "HEAD") && isConnectionFault(error);
}
