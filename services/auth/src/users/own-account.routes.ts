import { type Actor, accountApi, signInApi, unicodeAddress } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import { type Account, isEmailConfirmed, mfaRequiredFor, shownName } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { csrfToken } from "../tokens/csrf-token.ts";
import { changeOwnAccount, ownSession, readOwnAccount } from "./own-account.service.ts";
import { register } from "./registration.service.ts";

export const ownAccountRoutes = (ctx: AuthContext): Route[] => [
  route(signInApi.register, async ({ actor, body }) => {
    const account = await register(ctx, actor, body);
    return { body: { ...account, email: unicodeAddress(account.email), role: "patient" as const } };
  }),
  route(accountApi.read, async ({ actor }) => answer(ctx, actor, await readOwnAccount(ctx, actor))),
  route(accountApi.patch, async ({ actor, body, ifMatch }) =>
    answer(ctx, actor, await changeOwnAccount(ctx, actor, body, ifMatch)),
  ),
];

async function answer(ctx: AuthContext, actor: Actor, account: Account) {
  const session = await ownSession(ctx, actor);
  const body = {
    ...account,
    name: shownName(account),
    email: unicodeAddress(account.email),
    emailConfirmed: isEmailConfirmed(account),
    mfaRequired: mfaRequiredFor(account.role),
    createdAt: account.createdAt.toISOString(),
    updatedAt: account.updatedAt.toISOString(),
    permissions: [...actor.permissions].sort(),
    idleExpiresAt: session.idleExpiresAt.toISOString(),
    absoluteExpiresAt: session.absoluteExpiresAt.toISOString(),
    idleTimeoutSeconds: ctx.settings.idleMs / 1000,
    idleWarningSeconds: ctx.settings.idleWarningMs / 1000,
    ...(session.transport === "cookie" && { csrfToken: csrfToken(ctx.csrfKey, session.id) }),
  };
  return { body, rev: account.rev };
}
