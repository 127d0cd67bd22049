import { randomBytes } from "node:crypto";
import { type Actor, auditEvent, type FeedOwner, NotFound, newId, SCOPES } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { findRole } from "../accounts/account.store.ts";
import type { AuthContext } from "../context.ts";
import { getRole } from "../roles/role.store.ts";
import { hashOpaqueToken } from "../tokens/opaque-token.ts";
import { FeedLimitReached } from "./calendar-feed.errors.ts";
import { type CalendarFeed, deleteFeed, insertFeed, listFeeds, useFeed } from "./calendar-feed.store.ts";

const MAX_FEEDS = 5;
const TOKEN_BYTES = 32;

/** Makes a link, and its token. Throws FeedLimitReached. */
export async function createFeed(
  ctx: AuthContext,
  actor: Actor,
): Promise<{ feed: CalendarFeed; token: string }> {
  // In digits, which calendar programs and proxies pass on as they are.
  const token = randomBytes(TOKEN_BYTES).toString("hex");
  const feed = { id: newId(), userId: actor.id, createdAt: ctx.now(), lastUsedAt: null };
  await inTransaction(ctx.pool, async (tx) => {
    if (!(await insertFeed(tx, feed, hashOpaqueToken(token), MAX_FEEDS))) throw new FeedLimitReached();
    await emit(tx, "auth", eventOf(actor, "created", feed.id));
  });
  return { feed, token };
}

/** The caller's links. */
export async function viewFeeds(ctx: AuthContext, actor: Actor): Promise<CalendarFeed[]> {
  const feeds = await listFeeds(ctx.pool, actor.id);
  await ctx.record(eventOf(actor, "listed", null));
  return feeds;
}

/** Revokes a link: from now on its token opens nothing. Throws NotFound. */
export async function revokeFeed(ctx: AuthContext, actor: Actor, id: string): Promise<void> {
  await inTransaction(ctx.pool, async (tx) => {
    if (!(await deleteFeed(tx, actor.id, id))) throw new NotFound();
    await emit(tx, "auth", eventOf(actor, "revoked", id));
  });
}

/**
 * Whose token it is, and how far they may read appointments at this moment. Records leaves the
 * event. Throws NotFound for one that is none, and for who may read none any more.
 */
export async function ownerOf(ctx: AuthContext, token: string): Promise<FeedOwner> {
  const feed = await useFeed(ctx.pool, hashOpaqueToken(token), ctx.now());
  const account = feed && (await findRole(ctx.pool, feed.userId));
  if (!feed || !account || account.disabled) throw new NotFound();
  const { permissions } = await getRole(ctx.pool, account.role);
  const scope = SCOPES.findLast((one) => permissions.includes(`appointment:read:${one}`));
  if (!scope) throw new NotFound();
  return { feedId: feed.id, userId: feed.userId, role: account.role, scope };
}

const eventOf = (actor: Actor, verb: "created" | "listed" | "revoked", id: string | null) =>
  auditEvent(actor, {
    type: `medvault.auth.calendar-feed.${verb}.v1`,
    subject: id === null ? `user/${actor.id}` : `calendar-feed/${id}`,
    action: "appointment:read",
    reason: "own",
  });
