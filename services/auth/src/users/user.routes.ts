import { decodeCursor, encodeCursor, Id, NotFound, unicodeAddress, userApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import { findRole } from "../accounts/account.store.ts";
import { type Account, isEmailConfirmed, shownName } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { presentPasskey } from "../passkeys/passkey.routes.ts";
import {
  changeUser,
  inviteUser,
  limitSessions,
  readUser,
  removeUser,
  unlockUser,
  viewUsers,
} from "./user.service.ts";
import { factorsOf, removeFactor } from "./user-factor.service.ts";

export const userRoutes = (ctx: AuthContext): Route[] => [
  route(userApi.list, async ({ actor, query: { role = null, disabled = null, cursor, limit } }) => {
    const before = decodeCursor(Id, cursor) ?? null;
    const found = await viewUsers(ctx, actor, { role, disabled, before, limit });
    const last = found.length === limit ? found.at(-1) : undefined;
    return {
      body: {
        items: found.map((one) => ("damaged" in one ? one : present(one))),
        nextCursor: last ? encodeCursor(last.id) : null,
      },
    };
  }),
  route(userApi.create, async ({ actor, body }) => answer(await inviteUser(ctx, actor, body))),
  route(userApi.read, async ({ actor, params }) => {
    const account = await readUser(ctx, actor, params.id);
    const { passkeys, ...factors } = await factorsOf(ctx, ctx.pool, account);
    const view = { ...present(account), factors: { ...factors, passkeys: passkeys.map(presentPasskey) } };
    return { body: view, rev: account.rev };
  }),
  // For records, which leaves the event of what it does with it.
  route(userApi.readStanding, async ({ params: { id } }) => {
    const found = await findRole(ctx.pool, id);
    if (!found || found.disabled) throw new NotFound();
    return { body: { id, role: found.role } };
  }),
  route(userApi.patch, async ({ actor, params, body, ifMatch }) =>
    answer(await changeUser(ctx, actor, params.id, { patch: body, rev: ifMatch })),
  ),
  route(userApi.remove, async ({ actor, params, ifMatch }) => {
    await removeUser(ctx, actor, params.id, ifMatch);
    return {};
  }),
  route(userApi.removeFactor, async ({ actor, params }) => {
    await removeFactor(ctx, actor, params.id, params.factor);
    return {};
  }),
  route(userApi.unlock, async ({ actor, params }) => {
    await unlockUser(ctx, actor, params.id);
    return {};
  }),
  route(userApi.limitSessions, async ({ actor, params, body, ifMatch }) =>
    answer(await limitSessions(ctx, actor, params.id, { maxSessions: body.maxConcurrent, rev: ifMatch })),
  ),
];

const answer = (account: Account) => ({ body: present(account), rev: account.rev });

function present(account: Account) {
  return {
    ...account,
    name: shownName(account),
    email: unicodeAddress(account.email),
    emailConfirmed: isEmailConfirmed(account),
    pendingEmail:
      account.pendingUntil === null ? null : account.pendingEmail && unicodeAddress(account.pendingEmail),
    maxConcurrent: account.maxSessions,
    createdAt: account.createdAt.toISOString(),
    updatedAt: account.updatedAt.toISOString(),
  };
}
