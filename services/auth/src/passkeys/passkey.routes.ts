import {
  AnyTokensView,
  Id,
  NotFound,
  PasskeyAssertion,
  PasskeyCreationOptions,
  PasskeyList,
  PasskeyLoginOptions,
  PasskeyPatch,
  PasskeyRegisteredView,
  PasskeyRegistration,
  PasskeyRequestOptions,
  PasskeyView,
} from "@medvault/contracts";
import { actorOf, allow, etagOf, ifMatch, openToGuests, parse, requireStepUp } from "@medvault/service-kit";
import type { Request, Response, Router } from "express";
import type { AuthContext } from "../context.ts";
import { callerOf } from "../lockout/known-device.ts";
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

export function passkeyRoutes(router: Router, ctx: AuthContext): void {
  router.post(
    "/v1/auth/passkeys/register/options",
    allow("account:enroll"),
    requireStepUp(),
    async (req, res) => {
      res.json(PasskeyCreationOptions.parse(await registerOptions(ctx, actorOf(req))));
    },
  );

  router.post(
    "/v1/auth/passkeys/register/verify",
    allow("account:enroll"),
    requireStepUp(),
    async (req, res) => {
      const done = await registerPasskey(
        ctx,
        callerOf(actorOf(req), req),
        parse(PasskeyRegistration, req.body),
      );
      const view = {
        ...present(done.passkey),
        ...(done.tokens && handOut(res, done.tokens)),
        ...(done.recoveryCodes && { recoveryCodes: done.recoveryCodes }),
      };
      res.setHeader("ETag", etagOf(done.passkey.rev));
      res.status(201).json(PasskeyRegisteredView.parse(view));
    },
  );

  router.post("/v1/auth/passkeys/login/options", openToGuests(), async (req, res) => {
    const { mfaToken } = parse(PasskeyLoginOptions, req.body ?? {});
    res.json(PasskeyRequestOptions.parse(await loginOptions(ctx, mfaToken ?? null)));
  });

  router.post("/v1/auth/passkeys/login/verify", openToGuests(), async (req, res) => {
    const assertion = parse(PasskeyAssertion, req.body);
    const tokens = await loginByPasskey(ctx, callerOf(actorOf(req), req), assertion, transportOf(req));
    res.json(AnyTokensView.parse(handOut(res, tokens)));
  });

  router.post("/v1/auth/passkeys/step-up/options", allow("account:write"), async (req, res) => {
    res.json(PasskeyRequestOptions.parse(await stepUpOptions(ctx, actorOf(req))));
  });

  router.get("/v1/auth/passkeys", allow("account:read"), async (req, res) => {
    const items = (await viewPasskeys(ctx, actorOf(req))).map(present);
    res.json(PasskeyList.parse({ items }));
  });

  router.get("/v1/auth/passkeys/:id", allow("account:read"), async (req, res) => {
    send(res, await readPasskey(ctx, actorOf(req), idOf(req)));
  });

  router.patch("/v1/auth/passkeys/:id", allow("account:write"), async (req, res) => {
    const { name } = parse(PasskeyPatch, req.body);
    send(res, await renamePasskey(ctx, actorOf(req), idOf(req), { name, rev: ifMatch(req) }));
  });

  router.delete("/v1/auth/passkeys/:id", allow("account:write"), requireStepUp(), async (req, res) => {
    await removePasskey(ctx, actorOf(req), idOf(req), ifMatch(req));
    res.status(204).end();
  });
}

/** The id in the path; what is none names nothing. */
function idOf(req: Request): string {
  const id = Id.safeParse(req.params.id);
  if (!id.success) throw new NotFound();
  return id.data;
}

function send(res: Response, passkey: Passkey): void {
  res.setHeader("ETag", etagOf(passkey.rev));
  res.json(PasskeyView.parse(present(passkey)));
}

function present(passkey: Passkey) {
  return {
    ...passkey,
    createdAt: passkey.createdAt.toISOString(),
    lastUsedAt: passkey.lastUsedAt?.toISOString() ?? null,
  };
}
