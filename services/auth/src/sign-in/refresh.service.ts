import { randomInt } from "node:crypto";
import {
  type Actor,
  CsrfFailed,
  deniedEvent,
  type SessionTransport,
  Unauthenticated,
  Unavailable,
} from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { markRecorded } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { renewSession } from "../grants/issuance.service.ts";
import type { Tokens } from "../grants/token-pair.ts";
import { createSlots } from "../passwords/password-hasher.service.ts";
import { type FoundToken, findRefreshToken } from "../sessions/refresh-token.store.ts";
import { changeSessions, endSessions } from "../sessions/session.service.ts";
import { enforceBinding, watchBinding } from "../sessions/session-binding.service.ts";
import { blindToken } from "../tokens/blind-token.ts";
import { csrfMatches } from "../tokens/csrf-token.ts";
import { hashOpaqueToken } from "../tokens/opaque-token.ts";
import { RefreshReused, RefreshSuperseded } from "../tokens/token.errors.ts";

/** openapi.json: how long the same client may knock twice without harm. */
const SUPERSEDED_MS = 10_000;

export interface RefreshInput {
  refreshToken: string;
  /** How it came. */
  transport: SessionTransport;
  csrfToken: string | undefined;
}

/**
 * Refreshes at once: fewer than the pool has connections, so that a stampede leaves some to others.
 * What waited too long is refused before its token is spent, in time for the gateway to say so: a
 * token spent for a client that has been given up would be lost, and its session with it.
 */
const AT_ONCE = 6;
const WAITING_MAX = 1_000;
const PATIENCE_MS = 1_200; // the gateway may have held it for a second before
/** An account that changes while its token is refreshed is looked at again, so often. */
const ATTEMPTS_MAX = 3;
const inTurn = createSlots(AT_ONCE, WAITING_MAX);

/** `refreshNow` in turn. Throws Unavailable, and nothing has happened, when it takes too long. */
export function refresh(ctx: AuthContext, actor: Actor, input: RefreshInput): Promise<Tokens> {
  const came = performance.now();
  return inTurn(async () => {
    return refreshNow(ctx, actor, input, performance.now() - came > PATIENCE_MS);
  });
}

/**
 * Trades a refresh token for a new pair (I18). Of any number at once exactly one is answered with
 * tokens. Throws RefreshSuperseded (a retry: nothing happens), RefreshReused (a copy: the session
 * has ended) or Unauthenticated (unknown, or the gate refuses).
 */
async function refreshNow(
  ctx: AuthContext,
  actor: Actor,
  input: RefreshInput,
  isLate: boolean,
): Promise<Tokens> {
  const hash = hashOpaqueToken(input.refreshToken);
  const usedBy = blindToken(ctx.blindKey, "client", actor.ip, actor.userAgent);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const known = await findRefreshToken(ctx.pool, ctx.keyring, hash);
    // A token that comes another way than it was given out is not its owner's doing.
    if (!known || known.sessionEnded || known.transport !== input.transport) throw new Unauthenticated();
    if (known.transport === "cookie" && !csrfMatches(ctx.csrfKey, known.sessionId, input.csrfToken)) {
      throw new CsrfFailed();
    }
    // Most of many at once end here, without a lock; of the others the row's lock lets one pass.
    if (known.usedAt !== null) return secondUse(ctx, actor, known, usedBy);
    if (isLate) throw new Unavailable(undefined, 1 + randomInt(5));
    const session = known.session();
    if (await enforceBinding(ctx, actor, session)) throw markRecorded(new Unauthenticated());
    const tokens = await renewSession(ctx, actor, session, { hash, usedBy });
    if (tokens === null) continue; // spent, ended or changed meanwhile: which, is read again
    await watchBinding(ctx, actor, session);
    return tokens;
  }
  throw new Unavailable(undefined, 1);
}

async function secondUse(ctx: AuthContext, actor: Actor, token: FoundToken, usedBy: Buffer): Promise<never> {
  const denied = (reason: string) =>
    deniedEvent(actor, {
      type: "medvault.auth.refresh.denied.v1",
      subject: `session/${token.sessionId}`,
      action: "session:refresh",
      reason,
    });
  if (judgeSecondUse(token, usedBy, ctx.now()) === "superseded") {
    const superseded = new RefreshSuperseded();
    return ctx.refuse(superseded, denied(superseded.code));
  }
  const reused = new RefreshReused();
  await changeSessions(ctx, async (change) => {
    await emit(change.tx, "auth", denied(reused.code));
    await endSessions(ctx, change, actor, [token.sessionId], "refresh_reused");
  });
  throw markRecorded(reused);
}

/**
 * What a second use of a refresh token means. The same client within 10 s, whose new token nobody
 * has used yet, is a retry (two tabs, a lost answer); anything else is a copy in somebody's hands.
 */
function judgeSecondUse(token: FoundToken, usedBy: Buffer, now: Date): "superseded" | "reused" {
  const recent = token.usedAt !== null && now.getTime() - token.usedAt.getTime() <= SUPERSEDED_MS;
  const sameClient = token.usedBy?.equals(usedBy) ?? false;
  return recent && sameClient && !token.successorUsed ? "superseded" : "reused";
}
