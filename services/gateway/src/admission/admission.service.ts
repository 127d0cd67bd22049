import { isForGuests, type ResourceAction, Unauthenticated, Unavailable } from "@medvault/contracts";
import { requestIdOf } from "@medvault/service-kit";
import type { Request, Response } from "express";
import { RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible";
import type { AccessClaims, AccessTokens } from "../identity/access-token.ts";
import type { AuthClient } from "../identity/auth.client.ts";
import { type Credentials, credentialsOf } from "../identity/credentials.ts";
import { resolveSession } from "../identity/session.service.ts";
import type { SignedIn } from "../identity/session.ts";
import type { Limit, LimitState, Limits } from "../limits/limit.ts";
import { overLimit, showLimits } from "../limits/rate-limit-fields.ts";
import { UsedUpLimits } from "../limits/used-up-limits.ts";
import { assertCsrfToken, assertOwnPage, isUnsafe } from "../origins/own-page.ts";
import type { Route } from "../routing/route-table.ts";
import type { AdmissionQuery, AdmissionResult, AdmissionStore } from "./admission.store.ts";
import { Standings } from "./standing.service.ts";

/** While Redis is away: enough to read the documentation, too little to attack with. */
const LOCAL_POINTS = 30;
const LOCAL_WINDOW_S = 60;

export interface Admission {
  store: AdmissionStore;
  limits: Limits;
  tokens: AccessTokens;
  auth: AuthClient;
  usedUp: UsedUpLimits;
  /** Who reads answers without an end. */
  standings: Standings;
  /** Counts in this process alone, while Redis is away. */
  local: RateLimiterMemory;
}

/** One request, as far as it is known before it is admitted. */
export interface Arrival {
  req: Request;
  res: Response;
  ip: string;
  userAgent: string;
  path: string;
  /** Null: no service has it. The request is counted all the same. */
  route: Route | null;
  /** That its document asks for. */
  permission: ResourceAction | undefined;
}

export function createAdmission(parts: Omit<Admission, "usedUp" | "standings" | "local">): Admission {
  const local = new RateLimiterMemory({
    keyPrefix: "local",
    points: LOCAL_POINTS,
    duration: LOCAL_WINDOW_S,
  });
  const standings = new Standings(parts.store, parts.auth);
  return { ...parts, usedUp: new UsedUpLimits(), standings, local };
}

/** Who was let in: somebody who is signed in, or a guest with what guests may do here. */
export interface Admitted {
  readonly signedIn: SignedIn | null;
  readonly guestScope: string;
}

/**
 * Checks limits, token and session. Who shows no token is a guest where the route's permission may
 * be one of guests', and is, at this moment.
 *
 * A token that was verified before costs one round trip to Redis for all of it. A new one is
 * verified only after its sender's limit was counted: a verification is the most expensive step.
 * Throws RateLimited, Unauthenticated (or one of its kinds), and Unavailable while Redis is away;
 * public reads then go on, under a tight limit of this process alone.
 */
export async function admit(admission: Admission, arrival: Arrival): Promise<Admitted> {
  const { req, route, ip, permission } = arrival;
  const { tokens, limits } = admission;
  const ofAddress = limits.ofAddress(ip, route);
  if (route?.access !== "session") {
    await admitGuest(admission, arrival, ofAddress);
    return { signedIn: null, guestScope: "" };
  }
  const given = credentialsIn(req);
  const usable = given instanceof Error ? null : given;
  const known = usable && tokens.remembered(usable.token);
  if (usable && known)
    return { signedIn: await signedIn(admission, arrival, ofAddress, known, usable), guestScope: "" };
  const { counted } = await query(admission, arrival, { ofAddress, claims: null, ofUser: [] });
  if (given instanceof Error) throw given;
  if (!given) return asGuest(admission, permission);
  const claims = await tokens.verify(given.token);
  return { signedIn: await signedIn(admission, arrival, [], claims, given, counted), guestScope: "" };
}

/** A guest of a route for those who are signed in. Throws Unauthenticated, Unavailable. */
async function asGuest({ store }: Admission, permission: ResourceAction | undefined): Promise<Admitted> {
  if (!permission || !isForGuests(permission)) throw new Unauthenticated();
  const guestScope = await store.guestScope().catch((cause) => {
    throw new Unavailable(undefined, 2, { cause });
  });
  if (!guestScope.split(" ").some((one) => one.startsWith(`${permission}:`))) throw new Unauthenticated();
  return { signedIn: null, guestScope };
}

async function signedIn(
  admission: Admission,
  arrival: Arrival,
  ofAddress: Limit[],
  claims: AccessClaims,
  { transport }: Credentials,
  before: readonly LimitState[] = [],
): Promise<SignedIn> {
  const { req, route, path, ip, userAgent } = arrival;
  const queryText = req.originalUrl.split("?")[1] ?? "";
  const ofUser = admission.limits.ofUser(claims.sub, route as Route, path, queryText);
  const { session } = await query(admission, arrival, { ofAddress, claims, ofUser }, before);
  const use = { ip, userAgent, requestId: requestIdOf(req), transport };
  const found = await resolveSession(admission.auth, claims, session ?? { state: "unknown" }, use);
  if (transport === "cookie" && isUnsafe(req.method)) {
    assertOwnPage(req);
    assertCsrfToken(req, found.csrf);
  }
  return found;
}

async function query(
  { store, usedUp }: Admission,
  { res }: Arrival,
  asked: AdmissionQuery,
  before: readonly LimitState[] = [],
): Promise<AdmissionResult> {
  const known = usedUp.find([...asked.ofAddress, ...asked.ofUser]);
  if (known) {
    showLimits(res, [known]);
    throw overLimit(known);
  }
  let result: AdmissionResult;
  try {
    result = await store.query(asked);
  } catch (cause) {
    // What could not be counted is not unlimited, and an unknown session is not alive.
    throw new Unavailable(undefined, 2, { cause });
  }
  showLimits(res, result.refused ? [result.refused] : [...before, ...result.counted]);
  if (!result.refused) return result;
  usedUp.note(result.refused);
  throw overLimit(result.refused);
}

async function admitGuest(admission: Admission, arrival: Arrival, ofAddress: Limit[]): Promise<void> {
  try {
    await query(admission, arrival, { ofAddress, claims: null, ofUser: [] });
  } catch (thrown) {
    const { method } = arrival.req;
    const isRead = method === "GET" || method === "HEAD";
    if (!(thrown instanceof Unavailable) || !isRead) throw thrown; // never an unlimited login
    await countLocally(admission, arrival.res, ofAddress[0] as Limit);
  }
}

async function countLocally({ local }: Admission, res: Response, limit: Limit): Promise<void> {
  const stateOf = (found: RateLimiterRes): LimitState => ({
    limit: { ...limit, points: LOCAL_POINTS },
    used: found.consumedPoints,
    resetMs: found.msBeforeNext,
  });
  await local.consume(limit.key).then(
    (found) => showLimits(res, [stateOf(found)]),
    (found: RateLimiterRes) => {
      showLimits(res, [stateOf(found)]);
      throw overLimit(stateOf(found));
    },
  );
}

/** The request's credentials, or what is wrong with them, to be thrown once it has been counted. */
function credentialsIn(req: Request): Credentials | Error | null {
  try {
    return credentialsOf(req);
  } catch (error) {
    return error as Error;
  }
}
