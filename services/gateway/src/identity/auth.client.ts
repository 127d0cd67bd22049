import {
  ASSERTION_HEADER,
  IntrospectionView,
  REQUEST_ID_HEADER,
  refusalOfService,
} from "@medvault/contracts";
import { z } from "zod";
import type { Upstream } from "../proxy/upstream.client.ts";
import type { Asserter } from "./asserter.ts";
import type { Client } from "./client.ts";

/** Whoever waits for it has to ask its service too, and all within 3 s. */
const ANSWER_MS = 1_500;
const MAX_REPORTED = 10_000;
/** Who sent which request. */
type ClientOfRequest = Client & { readonly requestId: string };
const ViolationReport = z.object({ ended: z.boolean() });

/** The gateway's own calls to auth. All throw Unavailable, or what a failed call is mapped to. */
export class AuthClient {
  readonly #upstream: Upstream;
  readonly #asserter: Asserter;
  readonly #introspections = new Map<string, Promise<IntrospectionView | null>>();
  /** Clients of watched sessions that auth knows of already. */
  readonly #reported = new Set<string>();

  constructor(upstream: Upstream, asserter: Asserter) {
    this.#upstream = upstream;
    this.#asserter = asserter;
  }

  /** The JWKS document, unchecked. */
  async jwks(): Promise<unknown> {
    return (await this.#call("/.well-known/jwks.json")).body;
  }

  /** The live session, or null. Concurrent requests for one session share one call. */
  introspect(sid: string): Promise<IntrospectionView | null> {
    const running = this.#introspections.get(sid);
    if (running) return running;
    const call = this.#introspect(sid).finally(() => this.#introspections.delete(sid));
    this.#introspections.set(sid, call);
    return call;
  }

  /** Reports a violation of the session's binding; true when auth has ended the session for it. */
  async reportViolation(sid: string, client: ClientOfRequest): Promise<boolean> {
    const path = `/internal/sessions/${encodeURIComponent(sid)}/strange-client`;
    const { status, body } = await this.#call(path, "POST", client);
    if (status !== 200) throw refusalOfService(body);
    return ViolationReport.parse(body).ended;
  }

  /** The same in the background, once for each client of a session. */
  noteViolation(sid: string, client: ClientOfRequest): void {
    const key = `${sid} ${client.ip} ${client.userAgent}`;
    if (this.#reported.has(key)) return;
    if (this.#reported.size >= MAX_REPORTED) this.#reported.clear();
    this.#reported.add(key);
    this.reportViolation(sid, client).catch(() => this.#reported.delete(key));
  }

  async #introspect(sid: string): Promise<IntrospectionView | null> {
    const { status, body } = await this.#call(`/internal/sessions/${encodeURIComponent(sid)}`);
    if (status === 404) return null;
    if (status !== 200) throw refusalOfService(body);
    return IntrospectionView.parse(body);
  }

  async #call(path: string, method: "GET" | "POST" = "GET", about?: ClientOfRequest) {
    const headers = {
      [ASSERTION_HEADER]: await this.#asserter.forItself(about),
      ...(about && { [REQUEST_ID_HEADER]: about.requestId }), // its event is found by the request
    };
    return this.#upstream.getJson(path, headers, ANSWER_MS, method);
  }
}
