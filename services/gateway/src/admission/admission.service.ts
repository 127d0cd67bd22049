import { type SessionTransport, Unauthenticated, Unavailable } from "@medvault/contracts";
import type { Request, Response } from "express";
import { RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible";
import type { AccessClaims, AccessTokens } from "../identity/access-token.ts";
import { type Credentials, credentialsOf } from "../identity/credentials.ts";
import { assertCsrfToken, assertOwnPage, isUnsafe } from "../identity/own-page.ts";
import type { Sessions, SignedIn } from "../identity/session.service.ts";
import { Blocked } from "../limits/blocked.ts";
import type { Limit, Limits } from "../limits/limits.ts";
import { overLimit, showLimits } from "../limits/rate-limit-fields.ts";
import type { Route } from "../routing/route-table.ts";
import type { AdmissionStore, Asked, Counted, Told } from "./admission.store.ts";

/** While Redis is away: enough to read the documentation, too little to attack with. */
const LOCAL_POINTS = 30;
const LOCAL_WINDOW_S = 60;

export interface AdmissionParts {
  store: AdmissionStore;
  limits: Limits;
  tokens: AccessTokens;
  sessions: Sessions;
}

/** One request, as far as it is known before it is admitted. */
export interface Arrival {
  req: Request;
  res: Response;
  ip: string;
  userAgent: string;
  path: string;
  /** Null: nobody serves it. It counts all the same. */
  route: Route | null;
}

/**
 * Limits, token and session. A token that was verified before costs one round trip to Redis for all of them; an
 * unknown one is verified only after its sender's limit, since a verification is the dearest thing here.
 */
export class Admission {
  readonly #parts: AdmissionParts;
  readonly #blocked = new Blocked();
  readonly #local = new RateLimiterMemory({
    keyPrefix: "local",
    points: LOCAL_POINTS,
    duration: LOCAL_WINDOW_S,
  });

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /**
   * Who is signed in, or null for a guest. Throws RateLimited, Unauthenticated (or one of its kinds), and Unavailable
   * while Redis is away, except for public reads, which then have a tight limit of this process alone.
   */
  async admit(arrival: Arrival): Promise<SignedIn | null> {
    const { req, route, ip } = arrival;
    const { tokens, limits } = this.#parts;
    const ofAddress = limits.ofAddress(ip, route);
    if (route?.access !== "session") {
      await this.#asGuest(arrival, ofAddress);
      return null;
    }
    const given = credentialsIn(req);
    const usable = given instanceof Error ? null : given;
    const known = usable && tokens.remembered(usable.token);
    if (known) return this.#signedIn(arrival, ofAddress, { claims: known, transport: usable.transport });
    const { counted } = await this.#ask(arrival, { ofAddress, claims: null, ofUser: [] });
    if (given instanceof Error) throw given;
    if (!given) throw new Unauthenticated();
    const claims = await tokens.verify(given.token);
    return this.#signedIn(arrival, [], { claims, transport: given.transport }, counted);
  }

  async #signedIn(
    arrival: Arrival,
    ofAddress: Limit[],
    { claims, transport }: { claims: AccessClaims; transport: SessionTransport },
    before: readonly Counted[] = [],
  ): Promise<SignedIn> {
    const { limits, sessions } = this.#parts;
    const { req, route, path, ip, userAgent } = arrival;
    const ofUser = limits.ofUser(claims.sub, route as Route, path, req.originalUrl.split("?")[1] ?? "");
    const { session } = await this.#ask(arrival, { ofAddress, claims, ofUser }, before);
    const use = { ip, userAgent, transport };
    const signedIn = await sessions.resolve(claims, session ?? { state: "unknown" }, use);
    if (transport === "cookie" && isUnsafe(req.method)) {
      assertOwnPage(req);
      assertCsrfToken(req, signedIn.csrf);
    }
    return signedIn;
  }

  async #ask(arrival: Arrival, asked: Asked, before: readonly Counted[] = []): Promise<Told> {
    const blocked = this.#blocked.find([...asked.ofAddress, ...asked.ofUser]);
    if (blocked) {
      showLimits(arrival.res, [blocked]);
      throw overLimit(blocked, asked.claims);
    }
    let told: Told;
    try {
      told = await this.#parts.store.ask(asked);
    } catch (cause) {
      throw new Unavailable(undefined, 2, { cause }); // uncounted is not unlimited; liveness unknown is not liveness
    }
    showLimits(arrival.res, told.refused ? [told.refused] : [...before, ...told.counted]);
    if (!told.refused) return told;
    this.#blocked.note(told.refused);
    throw overLimit(told.refused, asked.claims);
  }

  async #asGuest(arrival: Arrival, ofAddress: Limit[]): Promise<void> {
    try {
      await this.#ask(arrival, { ofAddress, claims: null, ofUser: [] });
    } catch (thrown) {
      const { method } = arrival.req;
      const isRead = method === "GET" || method === "HEAD";
      if (!(thrown instanceof Unavailable) || !isRead) throw thrown; // never an unlimited login
      await this.#locally(arrival, ofAddress[0] as Limit);
    }
  }

  async #locally({ res }: Arrival, limit: Limit): Promise<void> {
    const counted = (state: RateLimiterRes) => ({
      limit: { ...limit, points: LOCAL_POINTS },
      used: state.consumedPoints,
      resetMs: state.msBeforeNext,
    });
    await this.#local.consume(limit.key).then(
      (state) => showLimits(res, [counted(state)]),
      (state: RateLimiterRes) => {
        showLimits(res, [counted(state)]);
        throw overLimit(counted(state), null);
      },
    );
  }
}

/** The request's credentials, or what is wrong with them: that is said only once the request has been counted. */
function credentialsIn(req: Request): Credentials | Error | null {
  try {
    return credentialsOf(req);
  } catch (error) {
    return error as Error;
  }
}
