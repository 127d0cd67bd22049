import {
  type Actor,
  auditEvent,
  type DirectoryEntry,
  type DirectoryQuery,
  decodeCursor,
  encodeCursor,
  Forbidden,
  Id,
  NotFound,
  ROLES,
  type Scope,
  scopeOf,
} from "@medvault/contracts";
import { normalise } from "@medvault/crypto";
import type { Caller } from "@medvault/service-kit";
import { findAccountByIdentifier } from "../accounts/account.store.ts";
import {
  type Account,
  type DamagedAccount,
  isEmailConfirmed,
  isStaff,
  isUsable,
  shownName,
} from "../accounts/account.ts";
import { findAccounts, listStaff } from "../accounts/account-list.store.ts";
import type { AuthContext } from "../context.ts";

/** Candidates looked at for one page; then it stays short, and the next one goes on from there. */
const MAX_CANDIDATES = 1_000;
const SEARCHED_AT_ONCE = 200;
const STAFF = ROLES.filter((role) => role !== "guest").filter(isStaff);

/**
 * A page of active staff, newest first: of those whom the caller may know of. Names are sealed, so
 * that a search by one opens row after row; there are never many.
 */
export async function listPeople(
  ctx: AuthContext,
  caller: Caller,
  query: DirectoryQuery,
): Promise<{ items: DirectoryEntry[]; nextCursor: string | null }> {
  const { limit, cursor, role, q } = query;
  const ids = await knownTo(ctx, caller);
  const roles = role === undefined ? STAFF : STAFF.filter((one) => one === role);
  const items: DirectoryEntry[] = [];
  let before = decodeCursor(Id, cursor) ?? null;
  const rows = q === undefined ? limit + 1 : SEARCHED_AT_ONCE;
  let isMore = roles.length > 0;
  for (let seen = 0; isMore && items.length < limit && seen < MAX_CANDIDATES; seen += rows) {
    const found = await listStaff(ctx.pool, ctx, { roles, ids, before, limit: rows });
    isMore = found.length === rows;
    for (const account of found) {
      if (items.length === limit) {
        isMore = true;
        break;
      }
      before = account.id;
      if (isCalled(account, q)) items.push(entryOf(account));
    }
  }
  await ctx.record(directoryEvent(caller, "listed", "directory", { count: items.length }));
  return { items, nextCursor: isMore && before !== null ? encodeCursor(before) : null };
}

/** One of those whom a page could show, or the caller's own account. Throws NotFound. */
export async function readPerson(
  ctx: AuthContext,
  caller: Caller,
  id: string,
): Promise<{ body: DirectoryEntry; rev: number }> {
  const known = id === caller.id ? [id] : await knownTo(ctx, caller);
  const isKnown = known === null || known.includes(id);
  const account = isKnown ? (await findAccounts(ctx.pool, ctx, [id]))[0] : undefined;
  if (!account || !isUsable(account) || !(isStaff(account.role) || id === caller.id)) throw new NotFound();
  await ctx.record(directoryEvent(caller, "read", `user/${id}`));
  return { body: entryOf(account), rev: account.rev };
}

/**
 * The active account of a whole user name, or of a whole address that its owner has confirmed. It
 * tells who has an account, so it is for those who link accounts with patients. Throws Forbidden.
 */
export async function searchAccount(
  ctx: AuthContext,
  actor: Actor,
  scope: Scope,
  identifier: string,
): Promise<Pick<DirectoryEntry, "id" | "name" | "role">[]> {
  if (scope === "own") throw new Forbidden();
  const found = await findAccountByIdentifier(ctx.pool, ctx, identifier);
  const isFound = found && isUsable(found) && (!identifier.includes("@") || isEmailConfirmed(found));
  const items = isFound ? [{ id: found.id, name: shownName(found), role: found.role }] : [];
  const subject = isFound ? `user/${found.id}` : "users";
  await ctx.record(directoryEvent(actor, "searched", subject, { count: items.length }));
  return items;
}

/** Names by id, for another service, which leaves the event of what it does with them. */
export async function namesOf(
  ctx: AuthContext,
  ids: readonly string[],
): Promise<{ id: string; name: string }[]> {
  const accounts = await findAccounts(ctx.pool, ctx, ids);
  return accounts.map((account) => ({ id: account.id, name: shownName(account) }));
}

/**
 * Whom the caller may know of by their ids alone: a patient whom their own chart and its log name.
 * Null: all who work here. Throws Unavailable while records or audit are away.
 */
async function knownTo(ctx: AuthContext, caller: Caller): Promise<string[] | null> {
  if (scopeOf(caller, "directory:read") === "any") return null;
  return (await ctx.known.knownTo(caller)).filter((id) => Id.safeParse(id).success);
}

/** Whether each word of `q` is part of what the account is called. */
function isCalled(account: Account | DamagedAccount, q = ""): account is Account {
  if ("damaged" in account) return false;
  const called = normalise(`${account.title ?? ""} ${shownName(account)} ${account.username}`);
  return normalise(q)
    .split(" ")
    .every((word) => called.includes(word));
}

function entryOf({ title, speciality, ...account }: Account): DirectoryEntry {
  return {
    ...{ id: account.id, name: shownName(account), role: account.role },
    ...(title !== null && { title }),
    ...(speciality !== null && { speciality }),
  };
}

function directoryEvent(
  actor: Actor,
  what: "listed" | "read" | "searched",
  subject: string,
  details?: Record<string, number>,
) {
  return auditEvent(actor, {
    type: `medvault.auth.directory.${what}.v1`,
    subject,
    action: what === "searched" ? "patient:write" : "directory:read",
    ...(details && { details }),
  });
}
