import { passkeyApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { callerOf } from "../lockout/bucket.ts";
import { handOut, transportOf } from "../sessions/session-transport.ts";
import {
  readPasskey,
  registerOptions,
  registerPasskey,
  removePasskey,
  renamePasskey,
  viewPasskeys,
} from "./passkey.service.ts";
import type { Passkey } from "./passkey.ts";
import { loginByPasskey, loginOptions, stepUpOptions } from "./passkey-sign-in.service.ts";

export const passkeyRoutes = (ctx: AuthContext): Route[] => [
  route(passkeyApi.beginRegistration, async ({ actor }) => ({ body: await registerOptions(ctx, actor) })),
  route(passkeyApi.register, async ({ actor, body, req }) => {
    const { passkey, tokens, recoveryCodes } = await registerPasskey(ctx, callerOf(actor, req), body);
    const view = { ...presentPasskey(passkey), ...tokens, ...(recoveryCodes && { recoveryCodes }) };
    return { ...handOut(view), rev: passkey.rev };
  }),
  route(passkeyApi.beginLogin, async ({ body }) => ({
    body: await loginOptions(ctx, body?.mfaToken ?? null),
  })),
  route(passkeyApi.login, async ({ actor, body, req }) =>
    handOut(await loginByPasskey(ctx, callerOf(actor, req), body, transportOf(req))),
  ),
  route(passkeyApi.beginStepUp, async ({ actor }) => ({ body: await stepUpOptions(ctx, actor) })),
  route(passkeyApi.list, async ({ actor, query: { limit } }) => ({
    body: { items: (await viewPasskeys(ctx, actor)).slice(0, limit).map(presentPasskey) },
  })),
  route(passkeyApi.read, async ({ actor, params }) => answer(await readPasskey(ctx, actor, params.id))),
  route(passkeyApi.patch, async ({ actor, params, body, ifMatch }) =>
    answer(await renamePasskey(ctx, actor, params.id, { name: body.name, rev: ifMatch })),
  ),
  route(passkeyApi.remove, async ({ actor, params, ifMatch }) => {
    await removePasskey(ctx, actor, params.id, ifMatch);
    return {};
  }),
];

const answer = (passkey: Passkey) => ({ body: presentPasskey(passkey), rev: passkey.rev });

export function presentPasskey(passkey: Passkey) {
  return {
    ...passkey,
    createdAt: passkey.createdAt.toISOString(),
    lastUsedAt: passkey.lastUsedAt?.toISOString() ?? null,
  };
}
